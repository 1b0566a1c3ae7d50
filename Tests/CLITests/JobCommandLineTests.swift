import ShardKit
import TestKit
import Testing

/// The commands about jobs, on a machine without any.
@Suite struct JobCommandLineTests {
  private let hosts = #"{ "format": 1, "profiles": { "lab": { "executor": "ssh", "hosts": { "node01": 4 } } } }"#

  /// A profile's values hold for runs on this machine, too.
  @Test func theExecutorSaysWhereTasksRun() throws {
    let bench = try Workbench()
    try bench.write("lab.json", hosts)
    let plan = try bench.run("plan", "corpus.json", "--executor", "ssh", "--profile", "lab.json")
    #expect(plan.status == 0, "\(plan.err)")
    #expect(plan.out.contains(" worker task "), "\(plan.out)")
    let local = try bench.run("plan", "corpus.json", "--profile", "lab.json")
    #expect(local.status == 0 && !local.out.contains(" worker task "), "\(local.out)\(local.err)")
    let other = try bench.run("run", "corpus.json", "--executor", "slurm", "--profile", "lab.json")
    #expect(other.err.contains("--executor is slurm, but the profile is for ssh."), "\(other.err)")
  }

  @Test func logsAskForAStage() throws {
    let bench = try Workbench()
    let logs = try bench.run("logs", "corpus.json")
    #expect(logs.status == 2)
    #expect(bench.errors(logs).first?.hasPrefix("no stage is named: the pipeline has read, ") == true, "\(logs.err)")
    let driver = try bench.run("logs", "corpus.json", "--driver")
    #expect(driver.status == 2)
    #expect(bench.errors(driver).first?.hasPrefix("no run of this store has been detached: ") == true, "\(driver.err)")
  }

  /// Without Slurm's commands here, nothing is known of the job.
  @Test func statusNamesTheJobOfADetachedRun() throws {
    let bench = try Workbench()
    try bench.run("run", "corpus.json")
    #expect(!(try bench.run("status").out.contains("driver")))
    try bench.write(".pipeline/driver/job", "17\n")
    for (squeue, line) in [
      ("echo RUNNING", "job 17 drives it\n"),
      (
        "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1",
        "its driver (job 17) has ended before the run: "
      ),
      ("echo 'Unable to contact slurm controller' >&2; exit 1", "it was detached as job 17\n"),
    ] {
      try bench.write("bin/squeue", "#!/bin/sh\n\(squeue)\n")
      let status = try bench.shell("chmod +x bin/squeue; PATH=$PWD/bin:$PATH pipeline status")
      #expect(status.out.contains(line), "\(status.out)\(status.err)")
    }
  }
}
