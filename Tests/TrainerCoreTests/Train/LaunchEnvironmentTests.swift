import ShardKit
import Testing

@testable import TrainerCore

@Suite struct LaunchEnvironmentTests {
  private func launch(_ variables: [String: String], processes: Int = 1) throws -> LaunchEnvironment {
    try LaunchEnvironment.current(processesPerNode: processes) { variables[$0] }
  }

  private func expected(
    _ nodes: Int, _ nodeRank: Int, _ processes: Int, _ host: String, _ port: Int
  ) -> LaunchEnvironment {
    var launch = LaunchEnvironment(processesPerNode: processes)
    (launch.nodes, launch.nodeRank, launch.host, launch.port) = (nodes, nodeRank, host, port)
    return launch
  }

  private let byHand = ["WORLD_SIZE": "16", "NODE_RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "29500"]
  private let torchrun = [
    "TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1", "GROUP_RANK": "1", "RANK": "1",
    "LOCAL_RANK": "0", "MASTER_ADDR": "a", "MASTER_PORT": "29500",
  ]
  private let slurm = [
    "PIPELINE_LAUNCHER": "slurm", "SLURM_JOB_ID": "12", "SLURM_STEP_ID": "0", "SLURM_PROCID": "1",
    "SLURM_NTASKS": "2", "SLURM_NNODES": "2", "SLURM_NODEID": "1", "SLURM_LOCALID": "0",
    "SLURM_JOB_NODELIST": "n[1-3,07]", "SLURM_STEP_NODELIST": "n[2-3]",
  ]

  @Test func nothingIsOneMachine() throws {
    #expect(try launch([:], processes: 3) == LaunchEnvironment(processesPerNode: 3))
    #expect(try launch(["WORLD_SIZE": "1", "RANK": "0"]).nodes == 1)
    #expect(try launch(["WORLD_SIZE": ""]).nodes == 1)
    #expect(try launch(["WORLD_SIZE": "8"], processes: 8) == LaunchEnvironment(processesPerNode: 8), "all of them here")
  }

  @Test func variablesByHandCountProcesses() throws {
    #expect(try launch(byHand, processes: 8) == expected(2, 1, 8, "a", 29500))
    var other = byHand
    other["NODE_RANK"] = nil
    other["RANK"] = "11"
    #expect(try launch(other, processes: 4).nodeRank == 2)
    other["LOCAL_WORLD_SIZE"] = "4"
    #expect(try launch(other, processes: 4).nodes == 4)
  }

  /// One pipeline per machine, whose stage starts the processes; the port that torchrun names is its own.
  @Test func torchrunCountsMachines() throws {
    #expect(try launch(torchrun, processes: 8) == expected(2, 1, 8, "a", 29501))
    var last = torchrun
    last["MASTER_PORT"] = "65535"
    #expect(try launch(last).port == 65534)
  }

  @Test func slurmsStepCountsNodes() throws {
    let port = LaunchEnvironment.port(job: "12", step: 0)
    #expect(try launch(slurm, processes: 8) == expected(2, 1, 8, "n2", port))
    var other = slurm
    other["SLURM_STEP_NODELIST"] = nil
    other["MASTER_PORT"] = "4000"
    #expect(try launch(other) == expected(2, 1, 1, "n1", 4000))
    other["MASTER_ADDR"] = "10.0.0.1"
    #expect(try launch(other).host == "10.0.0.1")
    other["SLURM_STEP_NUM_TASKS"] = "1"
    #expect(try launch(other).nodes == 1, "the step's own number counts")
  }

  /// What a shell of sbatch or salloc has, or one task, trains alone.
  @Test func slurmWithoutAStepIsOneMachine() throws {
    for (name, value) in [
      ("PIPELINE_LAUNCHER", nil), ("SLURM_STEP_ID", nil), ("SLURM_STEP_ID", "4294967291"), ("SLURM_NTASKS", "1"),
      ("SLURM_NTASKS", nil),
    ] as [(String, String?)] {
      var other = slurm
      other[name] = value
      #expect(try launch(other, processes: 2) == LaunchEnvironment(processesPerNode: 2), "\(name) \(value ?? "")")
    }
  }

  @Test func portsOfStepsDiffer() {
    let ports = Set((1...100).map { LaunchEnvironment.port(job: "\($0)", step: 0) })
    #expect(ports.count == 100 && ports.allSatisfy { (15_000..<30_000).contains($0) })
    #expect(LaunchEnvironment.port(job: "7", step: 0) != LaunchEnvironment.port(job: "7", step: 1))
    #expect((15_000..<30_000).contains(LaunchEnvironment.port(job: String(repeating: "9", count: 500), step: 1 << 31)))
  }

  /// Hooks of containers set them, and a shell may have some left.
  @Test func slurmsNumbersCountAlone() throws {
    var both = slurm.merging(byHand) { $1 }
    #expect(try launch(both, processes: 8) == expected(2, 1, 8, "a", 29500))
    both["SLURM_NODEID"] = "0"
    both["WORLD_SIZE"] = "2"
    #expect(try launch(both, processes: 8) == expected(2, 0, 8, "a", 29500))
  }

  @Test(
    arguments: [
      ("WORLD_SIZE", "15", "WORLD_SIZE: 15 is not a multiple of the 8 processes"),
      ("WORLD_SIZE", "many", "WORLD_SIZE: 'many' is not a number from 0"),
      ("WORLD_SIZE", "9999999999", "is not a number from 0"),
      ("NODE_RANK", nil, "NODE_RANK: is not set, but WORLD_SIZE is"),
      ("NODE_RANK", "2", "NODE_RANK: 2 is not below the 2 machines"),
      ("NODE_RANK", "-1", "NODE_RANK: '-1' is not a number from 0"),
      ("GROUP_RANK", "0", "NODE_RANK: is 1, but GROUP_RANK is 0"),
      ("RANK", "1", "RANK: 1 belongs to machine 0, but NODE_RANK is 1"),
      ("RANK", "16", "RANK: 16 is not below WORLD_SIZE 16"),
      ("LOCAL_WORLD_SIZE", "4", "LOCAL_WORLD_SIZE: is 4, but the stage starts 8 processes"),
      ("MASTER_ADDR", nil, "MASTER_ADDR: is not set"), ("MASTER_PORT", nil, "MASTER_PORT: is not set"),
      ("MASTER_PORT", "0", "MASTER_PORT: 0 is not a port"),
      ("MASTER_PORT", "70000", "MASTER_PORT: 70000 is not a port"),
      ("PIPELINE_LAUNCHER", "mpi", "PIPELINE_LAUNCHER: 'mpi' is not a known launcher"),
    ] as [(String, String?, String)])
  func contradictionsByHand(_ name: String, _ value: String?, _ message: String) throws {
    var other = byHand
    other[name] = value
    let error = #expect(throws: TorchError.self) { try launch(other, processes: 8) }
    #expect(error?.description.contains(message) == true && error?.hint != nil, "\(error.map { "\($0)" } ?? "")")
  }

  @Test(arguments: [
    ("SLURM_NTASKS", "16", "srun has started 16 tasks on 2 nodes"),
    ("SLURM_LOCALID", "1", "srun has started 2 tasks on 2 nodes"),
    ("SLURM_NODEID", "2", "SLURM_NODEID: is not a number below the 2 nodes"),
    ("SLURM_STEP_NODELIST", "n[2-", "SLURM_STEP_NODELIST: 'n[2-' is not a list of hosts"),
  ])
  func contradictionsOfSlurm(_ name: String, _ value: String, _ message: String) throws {
    var other = slurm
    other[name] = value
    let error = #expect(throws: TorchError.self) { try launch(other) }
    #expect(error?.description.contains(message) == true && error?.hint != nil, "\(error.map { "\($0)" } ?? "")")
  }

  @Test func torchrunStartsOnePipelinePerMachine() {
    var other = torchrun
    (other["LOCAL_WORLD_SIZE"], other["WORLD_SIZE"]) = ("8", "16")
    let error = #expect(throws: TorchError.self) { try launch(other, processes: 8) }
    #expect(error?.hint?.contains("--nproc-per-node 1") == true)
  }
}

@Suite struct SlurmHostsTests {
  @Test(arguments: [
    ("n1", ["n1"]), ("n[1-3,07]", ["n1", "n2", "n3", "n07"]), ("a,b[2],c", ["a", "b2", "c"]),
    ("n[08-11]", ["n08", "n09", "n10", "n11"]), ("n[8-11]x", ["n8x", "n9x", "n10x", "n11x"]),
    ("r[0-1]-n[1,3]", ["r0-n1", "r0-n3", "r1-n1", "r1-n3"]),
    ("p5-dy-gpu-[1-2].hpc_a", ["p5-dy-gpu-1.hpc_a", "p5-dy-gpu-2.hpc_a"]),
    ("[1-2]", ["1", "2"]),
  ])
  func listsAreExpanded(_ text: String, _ hosts: [String]) throws {
    #expect(try SlurmHosts.expand(text) == hosts)
  }

  @Test(arguments: [
    "", ",", "n1,", "n[", "n]", "n[]", "n[1", "n[1-]", "n[-1]", "n[3-1]", "n[1-2-3]", "n[a-b]", "n[[1]]", "n[1]]",
    "n 1",
    "n[1,]", "n[1-9999999999]", "n[0-65536]", "n[0-999][0-999]", "n;reboot", "$(x)",
  ])
  func whatIsNoListIsRefused(_ text: String) {
    let error = #expect(throws: TorchError.self) { try SlurmHosts.expand(text) }
    #expect(error?.message.hasSuffix("is not a list of hosts, such as n[1-3,07]") == true)
  }
}
