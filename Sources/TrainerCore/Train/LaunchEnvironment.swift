public import Glibc
public import ShardKit

/// The machines that train together, as the variables of a launcher state them.
///
/// In this order:
/// 1. Slurm's, if `PIPELINE_LAUNCHER` is `slurm` and this process is one of several tasks of a step that `srun` started,
///    one task per node. Without that variable a shell of `sbatch` or `salloc` trains alone. With it, torchrun's are not
///    read: containers' hooks set them.
/// 2. torchrun's, if `WORLD_SIZE` is above 1: `WORLD_SIZE`, `LOCAL_WORLD_SIZE`, `NODE_RANK` or `GROUP_RANK`, `RANK`,
///    `MASTER_ADDR`, `MASTER_PORT`. Set by hand, `WORLD_SIZE` counts the training processes of all machines; set by
///    torchrun, which starts one pipeline per machine, it counts the machines.
/// 3. Otherwise one machine.
///
/// `MASTER_ADDR` and `MASTER_PORT` also replace what follows from Slurm's list of hosts and job number.
public struct LaunchEnvironment: Equatable, Sendable {
  public var nodes = 1
  /// This machine's number, from 0.
  public var nodeRank = 0
  public var processesPerNode = 1
  /// Where the first process listens. On one machine it is this one.
  public var host = "127.0.0.1"
  /// 0: on one machine, any free port.
  public var port = 0

  public var processes: Int { nodes * processesPerNode }

  public init(processesPerNode: Int = 1) { self.processesPerNode = processesPerNode }

  /// - Parameter processesPerNode: training processes that the stage starts on each machine.
  /// - Throws: `TorchError` (`group`) if variables are missing, are not numbers, or contradict one another.
  public static func current(
    processesPerNode: Int, environment: @escaping (String) -> String? = { getenv($0).map { String(cString: $0) } }
  ) throws(TorchError) -> LaunchEnvironment {
    let variables = LaunchVariables(environment)
    if let slurm = try slurm(processesPerNode, variables) { return slurm }
    if let torchrun = try torchrun(processesPerNode, variables) { return torchrun }
    return LaunchEnvironment(processesPerNode: processesPerNode)
  }

  // MARK: torchrun

  private static func torchrun(
    _ processesPerNode: Int, _ variables: LaunchVariables
  ) throws(TorchError) -> LaunchEnvironment? {
    guard let world = try variables.number("WORLD_SIZE"), world > 1 else { return nil }
    let local = try localSize(processesPerNode, variables)
    guard world % local == 0 else {
      throw TorchError(
        .group, "WORLD_SIZE", "\(world) is not a multiple of the \(local) processes on each machine",
        hint: "Set \"processes\" of the stage, and WORLD_SIZE to the number of processes on all machines together.")
    }
    var launch = LaunchEnvironment(processesPerNode: processesPerNode)
    launch.nodes = world / local
    guard launch.nodes > 1 else { return launch }
    launch.nodeRank = try nodeRank(of: launch.nodes, local: local, world: world, variables)
    guard let host = variables["MASTER_ADDR"] else { throw missing("MASTER_ADDR", "the address of the first machine") }
    guard let port = try variables.port() else { throw missing("MASTER_PORT", "a free port of the first machine") }
    launch.host = host
    // torchrun's own store listens at the port that it names.
    launch.port = variables.isTorchrun ? (port < 65535 ? port + 1 : port - 1) : port
    return launch
  }

  /// What `WORLD_SIZE` counts on each machine.
  private static func localSize(_ processesPerNode: Int, _ variables: LaunchVariables) throws(TorchError) -> Int {
    guard let local = try variables.number("LOCAL_WORLD_SIZE") else { return processesPerNode }
    if variables.isTorchrun {
      guard local == 1 else {
        throw TorchError(
          .group, "LOCAL_WORLD_SIZE", "torchrun has started \(local) pipelines on this machine",
          hint: "Start one per machine with --nproc-per-node 1: the stage starts a process for each GPU itself.")
      }
      return 1
    }
    guard local == processesPerNode else {
      throw TorchError(
        .group, "LOCAL_WORLD_SIZE", "is \(local), but the stage starts \(processesPerNode) processes on this machine",
        hint: "Set \"processes\" of the stage to \(local), or unset LOCAL_WORLD_SIZE.")
    }
    return local
  }

  private static func nodeRank(
    of nodes: Int, local: Int, world: Int, _ variables: LaunchVariables
  ) throws(TorchError) -> Int {
    let rank = try variables.number("RANK"), node = try variables.agreed("NODE_RANK", "GROUP_RANK")
    if let rank, rank >= world {
      throw TorchError(.group, "RANK", "\(rank) is not below WORLD_SIZE \(world)", hint: "Ranks count from 0.")
    }
    if let rank, let node, rank / local != node {
      throw TorchError(
        .group, "RANK", "\(rank) belongs to machine \(rank / local), but NODE_RANK is \(node)",
        hint: "Unset RANK: the stage numbers its processes itself.")
    }
    guard let node = node ?? rank.map({ $0 / local }) else {
      throw missing("NODE_RANK", "this machine's number, from 0")
    }
    guard node < nodes else {
      throw TorchError(
        .group, "NODE_RANK", "\(node) is not below the \(nodes) machines", hint: "Machines count from 0.")
    }
    return node
  }

  private static func missing(_ name: String, _ what: String) -> TorchError {
    TorchError(.group, name, "is not set, but WORLD_SIZE is", hint: "Set it to \(what), on every machine.")
  }

  // MARK: Slurm

  /// Numbers from here on are not of steps that srun starts, but of batch and interactive shells.
  private static let specialSteps = 4_294_967_280

  private static func slurm(
    _ processesPerNode: Int, _ variables: LaunchVariables
  ) throws(TorchError) -> LaunchEnvironment? {
    guard let launcher = variables["PIPELINE_LAUNCHER"] else { return nil }
    guard launcher == "slurm" else {
      throw TorchError(
        .group, "PIPELINE_LAUNCHER", "'\(launcher)' is not a known launcher", hint: "Set it to 'slurm', or unset it.")
    }
    guard let step = variables["SLURM_STEP_ID"].flatMap({ Int($0) }), step < specialSteps,
      let tasks = try variables.first("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"), tasks > 1
    else { return nil }
    let nodes = try variables.first("SLURM_STEP_NUM_NODES", "SLURM_NNODES", "SLURM_JOB_NUM_NODES") ?? tasks
    let local = try variables.number("SLURM_LOCALID") ?? 0
    guard tasks == nodes, local == 0 else {
      throw TorchError(
        .group, "SLURM_NTASKS", "srun has started \(tasks) tasks on \(nodes) nodes",
        hint: "Start one per node with --ntasks-per-node=1: the stage starts a process for each GPU itself.")
    }
    guard let node = try variables.first("SLURM_NODEID", "SLURM_PROCID"), node < nodes else {
      throw TorchError(
        .group, "SLURM_NODEID", "is not a number below the \(nodes) nodes of the step", hint: "Start it with srun.")
    }
    var launch = LaunchEnvironment(processesPerNode: processesPerNode)
    (launch.nodes, launch.nodeRank) = (nodes, node)
    launch.host = if let host = variables["MASTER_ADDR"] { host } else { try firstHost(variables) }
    let usual = port(job: variables["SLURM_JOB_ID"] ?? "", step: step)
    launch.port = try variables.port() ?? usual
    return launch
  }

  private static func firstHost(_ variables: LaunchVariables) throws(TorchError) -> String {
    for name in ["SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST"] {
      guard let list = variables[name] else { continue }
      do { return try SlurmHosts.expand(list)[0] } catch {
        throw TorchError(.group, name, error.message, hint: error.hint)
      }
    }
    throw TorchError(
      .group, "SLURM_STEP_NODELIST", "is not set", hint: "Start it with srun, or set MASTER_ADDR to the first node.")
  }

  /// The same on every node of a step, and another one in the next step: below the ports that systems give out.
  static func port(job: String, step: Int) -> Int {
    let number = job.utf8.reduce(0) { ($0 * 10 + Int($1 & 15)) % 1_000_003 }
    return 15_000 + (number * 31 + step) % 15_000
  }
}

/// The variables of launchers, with their names in errors.
struct LaunchVariables {
  private let read: (String) -> String?

  /// More than any cluster has; products of two do not overflow.
  private static let mostProcesses = 1 << 20

  init(_ read: @escaping (String) -> String?) { self.read = read }

  /// nil if the variable is not set, or empty.
  subscript(_ name: String) -> String? { read(name).flatMap { $0.isEmpty ? nil : $0 } }

  /// Whether torchrun itself has set them.
  var isTorchrun: Bool { self["TORCHELASTIC_RUN_ID"] != nil }

  func number(_ name: String) throws(TorchError) -> Int? {
    guard let text = self[name] else { return nil }
    guard let value = Int(text), (0...Self.mostProcesses).contains(value) else {
      throw TorchError(
        .group, name, "'\(text)' is not a number from 0 to \(Self.mostProcesses)",
        hint: "Set it as the launcher does, or unset it.")
    }
    return value
  }

  /// The first of them that is set.
  func first(_ names: String...) throws(TorchError) -> Int? {
    for name in names { if let value = try number(name) { return value } }
    return nil
  }

  /// Two names of the same number.
  func agreed(_ name: String, _ other: String) throws(TorchError) -> Int? {
    let a = try number(name), b = try number(other)
    if let a, let b, a != b {
      throw TorchError(.group, name, "is \(a), but \(other) is \(b)", hint: "Unset one of them.")
    }
    return a ?? b
  }

  func port() throws(TorchError) -> Int? {
    guard let port = try number("MASTER_PORT") else { return nil }
    guard (1...65535).contains(port) else {
      throw TorchError(.group, "MASTER_PORT", "\(port) is not a port", hint: "Set it to a number from 1 to 65535.")
    }
    return port
  }
}
