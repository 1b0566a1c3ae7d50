import PipelineKit
import ShardKit
import TrainerCore

/// The named sets of tokens of a training, and what it takes of each.
struct TokenSets {
  struct Set {
    var name: String
    /// Of its data sets, in the order written.
    var files: [ArtifactFile]
  }

  let sets: [Set]
  /// What the sets are for: the beginning of their files' roles among a task's inputs.
  private var purpose = tokens

  private static let tokens = "tokens"
  private static let heldOut = "validation"
  /// The name of the only held-out set, if it has none: Composer's.
  private static let onlyHeldOut = "eval"

  /// Artifacts of one name are one set; those without names have that of their stage.
  /// - Returns: nil if there is one artifact without a name: the tokens are not a named set.
  init?(_ artifacts: [WiredArtifact]) {
    guard artifacts.count > 1 || artifacts.first?.name != nil else { return nil }
    sets = Self.sets(artifacts)
  }

  /// Held-out sets.
  /// - Returns: nil if there are none.
  init?(heldOut artifacts: [WiredArtifact]) {
    guard !artifacts.isEmpty else { return nil }
    sets = Self.sets(artifacts, only: artifacts.count == 1 ? Self.onlyHeldOut : nil)
    purpose = Self.heldOut
  }

  private static func sets(_ artifacts: [WiredArtifact], only: String? = nil) -> [Set] {
    var sets: [Set] = []
    for artifact in artifacts {
      let name = artifact.name ?? only ?? artifact.stage
      if let place = sets.firstIndex(where: { $0.name == name }) {
        sets[place].files += artifact.files
      } else {
        sets.append(Set(name: name, files: artifact.files))
      }
    }
    return sets
  }

  /// The sets of a task that was planned with them.
  init(names: [String], _ workspace: Workspace) {
    sets = names.map { Set(name: $0, files: workspace.files(Self.role($0, Self.tokens))) }
  }

  /// The held-out sets of a task that was planned with them.
  init(heldOut names: [String], _ workspace: Workspace) {
    sets = names.map { Set(name: $0, files: workspace.files(Self.role($0, Self.heldOut))) }
    purpose = Self.heldOut
  }

  var names: [String] { sets.map(\.name) }

  var inputs: TaskInputs {
    sets.reduce(into: [:]) { $0 += [Self.role($1.name, purpose): $1.files] }
  }

  private static func role(_ name: String, _ purpose: String) -> TaskInputs.Role {
    TaskInputs.Role("\(purpose).\(name)")
  }

  // MARK: The data

  /// The sets with the samples that they have.
  /// - Throws: `StageError` if a set has no index or no samples; `ShardError` if an index cannot be read.
  func sources() throws -> [TokenMixture.Source] {
    try sets.map { set in
      let indices = set.files.filter { $0.name == "index.json" }
      guard !indices.isEmpty else { throw ModelPretrain.noIndex(purpose) }
      var source = TokenMixture.Source(
        name: set.name, folders: indices.map { ArchivePath.folder(of: $0.path) }, shards: 0, samples: 0, digest: "")
      for file in indices {
        let index = try MDSIndex(path: file.path)
        source.shards += index.shards.count
        source.samples += index.samples
      }
      source.digest = Self.digest(of: indices)
      guard source.samples > 0 else {
        throw StageError(
          .input, "inputs.\(purpose)", "the set '\(set.name)' has no samples", hint: "Check the stage that wrote it.")
      }
      return source
    }
  }

  /// Of one data set, the digest that it has as a training's only one.
  private static func digest(of indices: [ArtifactFile]) -> String {
    guard indices.count > 1 else { return indices[0].digest.hex }
    var digester = Digester()
    for index in indices { digester.update(field: index.digest.hex) }
    return digester.finish().hex
  }
}

extension ModelPretrain.Options {
  /// What a training takes of its sets.
  /// - Parameter state: the checkpoint of another training that this one continues.
  /// - Throws: `StageError` (`.options`) if the mixture names other sets, cannot be met, or reads a set too often.
  func mixture(
    _ sources: [TokenMixture.Source], continuing state: CheckpointState? = nil
  ) throws -> TokenMixture {
    guard !steps.multipliedReportingOverflow(by: batchSize).overflow, steps * batchSize <= 1 << 53 else {
      throw StageError(
        .options, "steps", "\(steps) steps of \(batchSize) samples are more samples than can be counted",
        hint: "Lower \"steps\" or \"batchSize\".")
    }
    let shares = MixtureShares(
      sources: sources, sizes: stepSizes, steps: steps, firstStep: state?.step ?? 0)
    var planned = TokenMixture(sources: sources, phases: try shares.phases(mixture), firstStep: state?.step ?? 0)
    if let state {
      let job = try TrainingJob(self)
      for place in sources.indices {
        planned.sources[place].start = job.start(of: sources[place], continuing: state)
      }
    }
    let ends = planned.positions(at: stepSizes.samples(of: steps), stepSizes)
    for (source, end) in zip(sources, ends) {
      try checkEpochs(Double(end) / Double(source.samples), of: "'\(source.name)'")
    }
    return planned
  }

  /// Refuses to read tokens more often than is allowed.
  func checkEpochs(_ epochs: Double, of set: String) throws {
    guard maximumEpochs > 0, epochs > maximumEpochs * (1 + 1e-9) else { return }
    throw StageError(
      .options, "maximumEpochs",
      // Rounded up, so that it is never shown as what is allowed.
      "the training would read \(set) \((epochs * 100 - 1e-6).rounded(.up) / 100) times; maximumEpochs allows "
        + "\(maximumEpochs)",
      hint: "Take fewer samples of it, add tokens to it, train fewer steps, or raise \"maximumEpochs\".")
  }
}

/// Samples of each set by phase, from weights and epochs.
struct MixtureShares {
  let sources: [TokenMixture.Source]
  let sizes: StepSizes
  let steps: Int
  /// The step of the training that this one continues; 0: none.
  var firstStep = 0

  func phases(_ option: MixtureOption) throws -> [TokenMixture.Phase] {
    let written =
      option.phases.isEmpty
      ? [MixtureOption.Phase(weights: Dictionary(sources.map { ($0.name, Double($0.samples)) }) { $1 })] : option.phases
    let ends = try option.ends(steps: steps)
    return try zip(written, ends.isEmpty ? [steps] : ends).enumerated().map { number, part in
      let (phase, until) = part
      let place = MixtureOption.place(number, of: written.count)
      let range = (number == 0 ? 0 : ends[number - 1])..<until
      try checkStart(of: phase, range, place)
      return TokenMixture.Phase(until: until, amounts: try amounts(phase, range, place))
    }
  }

  private func refuse(_ message: String, _ hint: String) -> StageError {
    StageError(.options, "mixture", message, hint: hint)
  }

  /// Epochs are read evenly over a phase: in a part of it, only a part of them would be.
  private func checkStart(of phase: MixtureOption.Phase, _ steps: Range<Int>, _ place: String) throws {
    guard firstStep > steps.lowerBound, firstStep < steps.upperBound, phase.epochs.values.contains(where: { $0 > 0 })
    else { return }
    throw refuse(
      "\(place)has epochs for the steps \(steps.lowerBound + 1) to \(steps.upperBound), of which the continued training took"
        + " those up to \(firstStep)",
      "Write a phase { \"until\": \(firstStep), \"weights\": … } before it: its epochs are then all read after step"
        + " \(firstStep).")
  }

  private func amounts(_ phase: MixtureOption.Phase, _ steps: Range<Int>, _ place: String) throws -> [Int] {
    try checkNames(phase, place)
    let samples = sizes.samples(of: steps)
    let wanted = sources.map { (phase.epochs[$0.name] ?? 0) * Double($0.samples) }
    let sum = wanted.reduce(0, +)
    guard sum < 0x1p60 else { throw tooMany(sum, phase, steps, place) }
    // Rounded down, so that no set is read more often than is written; 3.01 × 100 is 301 all the same.
    let byEpochs = wanted.map { Int(($0 + 1e-6).rounded(.down)) }
    let taken = byEpochs.reduce(0, +)
    guard hasWeights(phase) else { return try whole(byEpochs, taken, steps, place) }
    guard taken <= samples else { throw tooMany(Double(taken), phase, steps, place) }
    return zip(byEpochs, Self.divided(samples - taken, sources.map { phase.weights[$0.name] ?? 0 })).map { $0 + $1 }
  }

  private func hasWeights(_ phase: MixtureOption.Phase) -> Bool { phase.weights.values.contains { $0 > 0 } }

  private func tooMany(
    _ taken: Double, _ phase: MixtureOption.Phase, _ steps: Range<Int>, _ place: String
  ) -> StageError {
    guard hasWeights(phase) else { return misfit(taken, steps, place) }
    return refuse(
      "\(place)the epochs ask for \(whole(taken)) samples, of \(sizes.samples(of: steps)) in \(steps.count) steps",
      "Lower the epochs, or raise the steps to more than \(whole(sizes.steps(after: steps.lowerBound, filledBy: taken)))."
    )
  }

  private func whole(_ number: Double) -> String { fixed(number.rounded(.down), 0) }

  /// The epochs alone fill the phase, but for less than a batch, which they lose.
  private func whole(_ amounts: [Int], _ taken: Int, _ steps: Range<Int>, _ place: String) throws -> [Int] {
    let samples = sizes.samples(of: steps)
    guard (samples..<samples + sizes.size(after: steps.upperBound)).contains(taken) else {
      throw misfit(Double(taken), steps, place)
    }
    return Apportionment(amounts).seats(samples)
  }

  private func misfit(_ taken: Double, _ steps: Range<Int>, _ place: String) -> StageError {
    let filled = sizes.steps(after: steps.lowerBound, filledBy: taken)
    let end = steps.upperBound == self.steps ? "\"steps\"" : "\"until\""
    let remedy =
      filled < 1
      ? "Raise the epochs until they fill a step"
      : filled < 1e12 ? "Set \(end) to \(steps.lowerBound + Int(filled))" : "Lower the epochs"
    return refuse(
      "\(place)the epochs are \(whole(taken)) samples, which fill \(whole(filled)) steps of \(sizes.rangeText), not"
        + " \(steps.count)",
      remedy + ", or give a set a weight instead: it then fills what is left.")
  }

  /// Whole numbers in proportion to weights.
  private static func divided(_ samples: Int, _ weights: [Double]) -> [Int] {
    let sum = weights.reduce(0, +)
    // Fractions of 2^40, which a number of samples seldom exceeds.
    return Apportionment(weights.map { Int(($0 / sum * 1_099_511_627_776).rounded()) }).seats(samples)
  }

  private func checkNames(_ phase: MixtureOption.Phase, _ place: String) throws {
    let known = sources.map(\.name)
    for name in (Array(phase.weights.keys) + Array(phase.epochs.keys)).sorted() where !known.contains(name) {
      throw refuse(
        "\(place)there is no set of tokens named '\(name)'" + suggestion(for: name, among: known),
        "Names are those under \"tokens\" in the inputs.")
    }
    if let missing = known.first(where: { phase.weights[$0] == nil && phase.epochs[$0] == nil }) {
      throw refuse(
        "\(place)does not say how much of '\(missing)' is read",
        "Give it a weight or epochs; a weight of 0 leaves it out.")
    }
  }
}
