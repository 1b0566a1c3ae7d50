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

  /// Artifacts of one name are one set; those without names have that of their stage.
  /// - Returns: nil if there is one artifact without a name: the tokens are not a named set.
  init?(_ artifacts: [WiredArtifact]) {
    guard artifacts.count > 1 || artifacts.first?.name != nil else { return nil }
    var sets: [Set] = []
    for artifact in artifacts {
      let name = artifact.name ?? artifact.stage
      if let place = sets.firstIndex(where: { $0.name == name }) {
        sets[place].files += artifact.files
      } else {
        sets.append(Set(name: name, files: artifact.files))
      }
    }
    self.sets = sets
  }

  /// The sets of a task that was planned with them.
  init(names: [String], _ workspace: Workspace) {
    sets = names.map { Set(name: $0, files: workspace.files(Self.role($0))) }
  }

  var names: [String] { sets.map(\.name) }

  var inputs: TaskInputs {
    sets.reduce(into: [:]) { $0 += [Self.role($1.name): $1.files] }
  }

  private static func role(_ name: String) -> TaskInputs.Role { TaskInputs.Role("tokens.\(name)") }

  // MARK: The data

  /// The sets with the samples that they have.
  /// - Throws: `StageError` if a set has no index or no samples; `ShardError` if an index cannot be read.
  func sources() throws -> [TokenMixture.Source] {
    try sets.map { set in
      let indices = set.files.filter { $0.name == "index.json" }
      guard !indices.isEmpty else { throw ModelPretrain.noIndex }
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
          .input, "inputs.tokens", "the set '\(set.name)' has no samples", hint: "Check the stage that wrote it.")
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
    let shares = MixtureShares(sources: sources, batchSize: batchSize, steps: steps)
    var planned = TokenMixture(sources: sources, phases: try shares.phases(mixture), firstStep: state?.step ?? 0)
    if let state {
      let job = try TrainingJob(self)
      for place in sources.indices {
        planned.sources[place].start = job.start(of: sources[place], continuing: state)
      }
    }
    let ends = planned.positions(at: steps * batchSize, batchSize: batchSize)
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
      "the training would read \(set) \(rounded(epochs, 2)) times, and may \(rounded(maximumEpochs, 2)) times",
      hint: "Take fewer samples of it, add tokens to it, train fewer steps, or raise \"maximumEpochs\".")
  }
}

/// Samples of each set by phase, from weights and epochs.
struct MixtureShares {
  let sources: [TokenMixture.Source]
  let batchSize: Int
  let steps: Int

  func phases(_ option: MixtureOption) throws -> [TokenMixture.Phase] {
    let written =
      option.phases.isEmpty
      ? [MixtureOption.Phase(weights: Dictionary(sources.map { ($0.name, Double($0.samples)) }) { $1 })] : option.phases
    var first = 0
    return try written.enumerated().map { number, phase in
      let place = written.count > 1 ? "phase \(number + 1): " : ""
      let until = try lastStep(of: phase, after: first, place)
      defer { first = until }
      return TokenMixture.Phase(until: until, amounts: try amounts(phase, (until - first) * batchSize, place))
    }
  }

  private func refuse(_ message: String, _ hint: String) -> StageError {
    StageError(.options, "mixture", message, hint: hint)
  }

  private func lastStep(of phase: MixtureOption.Phase, after first: Int, _ place: String) throws -> Int {
    guard let until = phase.until else { return steps }
    let step = until < 1 ? Int((until * Double(steps)).rounded()) : Int(until)
    guard step > first, step < steps else {
      throw refuse(
        "\(place)ends at step \(step), which is not between \(first + 1) and \(steps - 1)",
        "Let phases end one after another, before the last step, \(steps).")
    }
    return step
  }

  private func amounts(_ phase: MixtureOption.Phase, _ samples: Int, _ place: String) throws -> [Int] {
    try checkNames(phase, place)
    // Rounded down, so that no set is read more often than is written; 3.01 × 100 is 301 all the same.
    let byEpochs = sources.map { Int(((phase.epochs[$0.name] ?? 0) * Double($0.samples) + 1e-6).rounded(.down)) }
    let taken = byEpochs.reduce(0, +)
    let weights = sources.map { phase.weights[$0.name] ?? 0 }
    guard weights.contains(where: { $0 > 0 }) else { return try whole(byEpochs, taken, samples, place) }
    guard taken <= samples else {
      throw refuse(
        "\(place)the epochs ask for \(taken) samples, of \(samples) in \(samples / batchSize) steps",
        "Lower the epochs, or raise the steps to more than \(taken / batchSize).")
    }
    return zip(byEpochs, Self.divided(samples - taken, weights)).map { $0 + $1 }
  }

  /// The epochs alone fill the phase, but for less than a batch, which they lose.
  private func whole(_ amounts: [Int], _ taken: Int, _ samples: Int, _ place: String) throws -> [Int] {
    guard (samples..<samples + batchSize).contains(taken) else {
      let steps = taken / batchSize
      throw refuse(
        "\(place)the epochs are \(taken) samples, which fill \(steps) steps of \(batchSize), not \(samples / batchSize)",
        "Train \(max(1, steps)) steps in this phase, or give a set a weight instead: it then fills what is left.")
    }
    return Apportionment(amounts).seats(samples)
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
