import ShardKit

/// Checks before the first step that all processes train the same. A pipeline file that was edited on only one machine
/// would train other weights there, since gradients are summed and the resulting steps are not compared.
struct JobAgreement {
  let job: TrainingJob
  let engine: Engine
  let device: Device
  /// Other versions may train otherwise, in ways that no option shows.
  var program = "\(Product.version) \(TrainingJob.agreement)"

  func check(_ group: ProcessGroup) throws(TorchError) {
    let parts = job.agreedParts + versions
    let whole = Self.number(parts.map { "\($0.name) \($0.digest)" }.joined(separator: " "))
    let heads = try gather([whole, Int64(parts.count)], group)
    guard Set(heads.map { $0[0] }).count > 1 else { return }
    // Programs of another version may have other options.
    let isComparable = Set(heads.map { $0[1] }).count == 1
    let all = isComparable ? try gather(parts.map(\.digest), group) : []
    // Compared with the first process that differs from this one.
    let other = heads.firstIndex { $0[0] != heads[group.rank][0] } ?? 0
    var named = ""
    if isComparable {
      let names = parts.indices.filter { all[other][$0] != parts[$0].digest }.map { parts[$0].name }
      named = ": they differ in \(names.joined(separator: ", "))"
    }
    throw TorchError(
      .group, "process \(group.rank) of \(group.size)",
      "trains something else than process \(other)\(named)",
      hint: "Run the same pipeline file, inputs and version of pipeline on every machine.")
  }

  private var versions: [(name: String, digest: Int64)] {
    [
      ("the version of pipeline", Self.number(program)),
      ("the version of torch", Self.number(engine.version)),
    ]
  }

  /// Every process's numbers, by rank.
  private func gather(_ own: [Int64], _ group: ProcessGroup) throws(TorchError) -> [[Int64]] {
    var table = [Int64](repeating: 0, count: group.size * own.count)
    for (place, value) in own.enumerated() { table[group.rank * own.count + place] = value }
    let tensor = try engine.tensor(table, on: device)
    try group.sum(TensorList([tensor]))
    let sums = try tensor.integers()
    return (0..<group.size).map { Array(sums[$0 * own.count..<($0 + 1) * own.count]) }
  }

  static func number(_ text: String) -> Int64 {
    Digester.digest(Array(text.utf8)).hex.prefix(16).reduce(Int64(0)) { $0 << 4 | Int64($1.hexDigitValue ?? 0) }
  }
}

extension TrainingJob {
  /// Raised if the same job leads to other steps than before, within a version of pipeline.
  static let agreement = 1

  /// Everything that processes must have in common. That includes the steps of checkpoints, at which they read a step's
  /// figures earlier than otherwise, and with them whether to stop.
  var agreedParts: [(name: String, digest: Int64)] {
    let shared = [
      ("microbatchSize", microbatchSize), ("checkpointSteps", checkpointSteps), ("keepEverySteps", keep.keepEverySteps),
      ("bucketMiB", bucketBytes >> 20),
    ]
    let members =
      (identity(keepingCourse: true).members ?? []).filter { member in !shared.contains { $0.0 == member.key } }
      + shared.map { JSONMember($0, .integer($1)) }
    return members.map { ("'\($0.key)'", JobAgreement.number($0.value.text(sortedKeys: true))) } + [
      ("the input files", JobAgreement.number(inputsDigest)),
      ("the held-out tokens", JobAgreement.number(heldOut?.identity ?? "")),
    ]
  }
}
