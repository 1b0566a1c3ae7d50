import Glibc
import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// The scripts of jobs: their text, and what their shell does around a worker.
@Suite struct JobScriptTests {
  private let hostile = "/store of 'us'/50% \"x\" $HOME"

  private func batch(_ change: (inout JobBatch) -> Void = { _ in }) -> JobBatch {
    var batch = JobBatch(
      id: "7-1-abc", number: 1, jobName: "pipeline-7-1-abc", run: 7, stage: "clean", use: "text.clean", phase: "run",
      options: "{}", canonical: "{}", directory: "/s/artifacts/clean/0", keptState: "/s/state/clean", folder: "/here",
      program: ProgramIdentity(path: "/opt/pipeline", digest: Digester.digest([])),
      request: JobRequest(memoryBytes: (300 << 20) + 1, cores: 2, seconds: 5400), groups: [[0, 1], [2]], mostRunning: 5)
    change(&batch)
    return batch
  }

  private func slurm(
    _ batch: JobBatch, folder: String = "/s/jobs/7-1-abc", _ change: (inout SiteProfile) -> Void = { _ in }
  ) -> [String] {
    var profile = SiteProfile()
    change(&profile)
    let script = SlurmScript(profile: profile, batch: batch, folder: BatchFolder(folder)).text
    return script.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  @Test func theDirectivesSayWhatTheBatchAsksFor() {
    let lines = slurm(batch())
    #expect(lines[0] == "#!/bin/bash")
    #expect(
      lines.filter { $0.hasPrefix("#SBATCH ") }.map { String($0.dropFirst(8)) } == [
        "--job-name=pipeline-7-1-abc", "--array=0-1%5", "--output=/s/jobs/7-1-abc/%a.out", "--open-mode=append",
        "--no-requeue", "--chdir=/here", "--time=01:30:00", "--mem=301M", "--cpus-per-task=2", "--nodes=1",
        "--ntasks-per-node=1", "--signal=B:USR1@180",
      ])
    #expect(!lines.contains { $0.contains("srun") || $0.contains("PIPELINE_LAUNCHER") })
  }

  @Test func theSiteAndTheStageAddTheirs() {
    var own = SiteResources()
    own.partition = "gpu"
    own.arguments = ["--exclusive"]
    let lines = slurm(
      batch {
        $0.request.gpus = 8
        $0.excluded = ["n9", "n2"]
      }
    ) {
      $0.partition = "main"
      $0.account = "us"
      $0.arguments = ["--qos=normal"]
      $0.warningSeconds = 60
      $0.resources = ["text.*": own]
    }
    for word in [
      "--partition=gpu", "--account=us", "--gres=gpu:8", "--exclude=n2,n9", "--qos=normal", "--exclusive",
      "--signal=B:USR1@60",
    ] { #expect(lines.contains("#SBATCH \(word)"), "\(word)") }
    #expect(!lines.contains { $0.contains("partition=main") })
  }

  @Test func aJobOfSeveralNodesStartsAStepOnEach() {
    let lines = slurm(batch { $0.request.nodes = 4 })
    #expect(lines.contains("#SBATCH --nodes=4"))
    // The step hears it, not the shell.
    #expect(lines.contains("#SBATCH --signal=USR1@180"))
    #expect(lines.contains("export PIPELINE_LAUNCHER=slurm"))
    let step =
      "srun --ntasks-per-node=1 --kill-on-bad-exit=0 --wait=1800 --mpi=none --cpus-per-task=2 /opt/pipeline worker task "
    #expect(lines.contains { $0.replacing(" --auto-resume=1", with: "").hasPrefix(step) })
  }

  /// Containers of Pyxis are arguments of srun.
  @Test func aStepWithArgumentsIsOneOnAnyNumberOfNodes() {
    let lines = slurm(batch()) { $0.stepArguments = ["--container-image=/images/my image.sqsh"] }
    #expect(lines.contains("#SBATCH --signal=USR1@180"))
    #expect(lines.contains { $0.hasPrefix("srun ") && $0.contains(" '--container-image=/images/my image.sqsh' /opt") })
    #expect(!lines.contains { $0.contains("PIPELINE_LAUNCHER") })
  }

  @Test func variablesOfOtherLaunchersEndWithTheShellThatHasThem() throws {
    let lines = slurm(batch())
    let unset = try #require(lines.firstIndex { $0.hasPrefix("unset ") })
    let words = lines[unset].split(separator: " ")
    for name in ["WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT"] { #expect(words.contains(Substring(name))) }
    let worker = try #require(lines.firstIndex { $0.contains(" worker task ") })
    #expect(unset < worker)
  }

  @Test func pathsKeepTheirCharacters() {
    let lines = slurm(batch { $0.folder = hostile }, folder: hostile) { $0.program = hostile }
    #expect(
      lines.contains("#SBATCH --output='/store of '\\''us'\\''/50%% \"x\" $HOME/%a.out'"), "% stands for itself")
    #expect(lines.contains("#SBATCH --chdir='/store of '\\''us'\\''/50% \"x\" $HOME'"))
    #expect(lines.contains("folder='/store of '\\''us'\\''/50% \"x\" $HOME'"))
    #expect(lines.contains { $0.hasPrefix("'/store of '\\''us'\\''/50% \"x\" $HOME' worker task \"$folder\" ") })
  }

  @Test func setupAndLauncherComeBeforeTheProgram() throws {
    let lines = slurm(batch()) {
      $0.setup = ["module load cuda", "export A=\"b c\""]
      $0.launcher = ["apptainer", "exec", "--nv", "/images/my image.sif"]
      $0.marker = "/in container"
    }
    let worker = try #require(lines.firstIndex { $0.contains(" worker task ") })
    #expect(lines[worker].hasPrefix("apptainer exec --nv '/images/my image.sif' /opt/pipeline worker task "))
    #expect(lines[worker].contains(" --marker '/in container' "))
    let setup = try #require(lines.firstIndex(of: "module load cuda"))
    #expect(setup < worker)
    #expect(lines[setup + 1] == "export A=\"b c\"")
  }

  @Test func theScriptForHostsSetsTheVariables() throws {
    var profile = SiteProfile()
    profile.environment = ["B": "it's", "A": "1"]
    let script = try SSHCluster(profile: profile).script(batch(), in: BatchFolder("/s/jobs/x"))
    #expect(script.contains("\nexport A=1\nexport B='it'\\''s'\n"))
    #expect(script.hasPrefix("#!/bin/bash\ncd /here || exit 1\n"))
  }

  @Test(arguments: ["", "a b", "it's", "$x", "`x`", "a\nb", "~", "*", "\\", "日本", "-n", "a;b", "%s", "\"", "!x"])
  func aQuotedWordIsReadAsItStands(word: String) throws {
    let command = ChildCommand("/bin/bash", ["-c", "printf %s \(shellQuoted(word))"], timeoutSeconds: 60)
    #expect(String(decoding: try command.run().output, as: UTF8.self) == word)
  }

  // MARK: Under a shell

  /// The lines of a job around a worker that is a shell script, and what they left.
  private struct Job {
    let folder: BatchFolder
    private let process: ChildProcess

    init(_ batch: JobBatch, worker: String, setup: [String] = [], claimed: Bool = false) throws {
      folder = BatchFolder(temporaryDirectory() + "/jobs of 'us' 50%")
      try FileSystem.makeDirectory(folder.groups)
      if claimed { try FileSystem.write(Array("9_3\n".utf8), to: folder.claim(3)) }
      let program = folder.path + "/worker 1"
      try FileSystem.write(Array("#!/bin/bash\n\(worker)\n".utf8), to: program)
      chmod(program, 0o755)
      var profile = SiteProfile()
      profile.program = program
      profile.setup = setup
      let lines = JobScript(profile: profile, batch: batch, folder: folder).lines(group: "3", job: "17_3")
      try FileSystem.write(Array(lines.joined(separator: "\n").utf8), to: folder.script)
      process = try ChildProcess([folder.script], program: "/bin/bash")
    }

    func wait() throws -> ChildProcess.Result { try process.wait() }

    func signal(_ number: Int32) throws {
      try process.works(until: "the worker") { FileSystem.exists(folder.path + "/ready") }
      process.signal(number)
    }

    /// The code that the job wrote down.
    var end: String? {
      (try? FileSystem.read(folder.end(3))).map { String(decoding: $0, as: UTF8.self) }
    }

    func remove() { try? FileSystem.removeTree(ArchivePath.folder(of: folder.path)) }
  }

  @Test(arguments: [("exit 0", 0), ("exit 7", 7), ("exit 124", 124), ("kill -KILL $$", 137), ("kill -SEGV $$", 139)])
  func theWorkersEndIsWrittenDown(worker: String, code: Int32) throws {
    let job = try Job(batch(), worker: worker)
    defer { job.remove() }
    #expect(try job.wait().status == code)
    #expect(job.end == "\(code)\n")
    #expect(try FileSystem.list(job.folder.groups) == ["3.end"])
  }

  /// Another job has the group: it alone writes how that ends.
  @Test func aSecondJobOfAGroupWritesNoEnd() throws {
    let job = try Job(batch(), worker: "exit \(JobScript.anothersCode)")
    defer { job.remove() }
    #expect(try job.wait().status == 0)
    #expect(job.end == nil)
  }

  /// Nor does one that ends before it finds out, as where the container's software is missing.
  @Test func aSecondJobThatFailsBeforeItClaimsWritesNoEnd() throws {
    let job = try Job(batch(), worker: "exit 127", claimed: true)
    defer { job.remove() }
    #expect(try job.wait().status == 127)
    #expect(job.end == nil)
  }

  @Test(
    arguments: [
      (["false", "export A=1"], "false", 1), (["no_such_command 7"], "no_such_command 7", 127),
      (["cd /nowhere/at/all"], "cd /nowhere/at/all", 1), (["f() { return 3; }", "f x"], "f x", 3),
    ])
  func aSetupLineThatFailsEndsTheJob(setup: [String], line: String, code: Int) throws {
    let job = try Job(batch(), worker: "echo worked", setup: setup)
    defer { job.remove() }
    let result = try job.wait()
    #expect(result.status == JobScript.setupCode)
    #expect(result.output == "")
    #expect(result.errors.hasSuffix("setup failed: '\(line)' (exit code \(code))\n"), "\(result.errors)")
    #expect(job.end == "77\n")
  }

  @Test func whatASetupMayDoIsNoFailure() throws {
    let other = temporaryDirectory() + "/profile"
    defer { try? FileSystem.removeTree(ArchivePath.folder(of: other)) }
    try FileSystem.write(Array("false\nexport B=2\n".utf8), to: other)
    let setup = [
      "false || true", "if false; then", "  A=1", "fi", "[ -e /nowhere ] && A=2", "source '\(other)'", "# a remark",
      "export A=${A:-unset}",
    ]
    let job = try Job(batch(), worker: "echo $A $B; false; exit 0", setup: setup)
    defer { job.remove() }
    let result = try job.wait()
    #expect(result.output == "unset 2\n")
    #expect(result.status == 0, "\(result.errors)")
  }

  /// The group is another job's: this one's failure is not its end.
  @Test func aSetupThatFailsInASecondJobWritesNoEnd() throws {
    let job = try Job(batch(), worker: "exit 0", setup: ["false"], claimed: true)
    defer { job.remove() }
    #expect(try job.wait().status == JobScript.setupCode)
    #expect(job.end == nil)
  }

  @Test func theShellAndTheVariablesOfTheSiteAreInTheScript() throws {
    let lines = slurm(batch()) {
      $0.shell = "/bin/bash -l"
      $0.environment = ["PIPELINE_ENGINE": "/shared/it's/engine.so", "A": "1"]
    }
    #expect(lines[0] == "#!/bin/bash -l")
    let first = try #require(lines.firstIndex(of: "export A=1"))
    #expect(lines[first + 1] == "export PIPELINE_ENGINE='/shared/it'\\''s/engine.so'")
    #expect(lines.firstIndex { $0.contains(" worker task ") }! > first)
  }

  @Test func theWorkerIsToldItsFolderGroupAndJob() throws {
    let job = try Job(batch(), worker: "printf '%s|' \"$@\"; echo $A", setup: ["export A='b c'"])
    defer { job.remove() }
    let result = try job.wait()
    #expect(result.output == "worker|task|\(job.folder.path)|--group|3|--job|17_3|b c\n")
  }

  @Test(arguments: [(SIGUSR1, "USR1"), (SIGTERM, "TERM"), (SIGINT, "TERM")])
  func signalsArePassedOnAndTheWorkerIsWaitedFor(number: Int32, name: String) throws {
    let job = try Job(
      batch(),
      worker: """
        stop() { sleep 0.2; echo "heard $1"; exit 5; }
        trap 'stop USR1' USR1
        trap 'stop TERM' TERM
        touch "$3/ready"
        while :; do sleep 0.02; done
        """)
    defer { job.remove() }
    try job.signal(number)
    let result = try job.wait()
    #expect(result.output == "heard \(name)\n")
    #expect(result.status == 5)
    #expect(job.end == "5\n")
  }
}
