import PipelineKit
import ShardKit
import TextKit
import TrainerCore

/// A classifier as a safetensors file: `features` (I32, ascending), `scales` and `weights` (F32) of those that count; if
/// traits count, their `cuts` and `steps` (F32, a row per trait); in the metadata, under `classifier`, the shape of the
/// n-grams, the names of the traits, the bias and the calibration as JSON.
struct ClassifierFile {
  private struct Settings: Codable {
    var format = ClassifierFile.format
    var shape: GramShape
    var traits: [String]
    var bias: Double
    var calibration: Calibration
  }

  static let name = "classifier.safetensors"
  private static let key = "classifier"
  /// Files of format 1 tell no parts of a text apart, and their values are others.
  private static let format = 2

  var model: LinearClassifier
  var calibration: Calibration

  init(
    _ shape: GramShape, _ features: LogisticRegression.Features, _ solution: LogisticRegression.Solution,
    _ calibration: Calibration
  ) {
    var (scales, weights) = ([Float](repeating: 0, count: shape.features), [Float](repeating: 0, count: shape.features))
    for (number, place) in features.places.enumerated() where place >= 0 {
      scales[number] = Float(features.scales[Int(place)])
      weights[number] = Float(solution.weights[Int(place)])
    }
    model = LinearClassifier(
      shape: shape, scales: scales, weights: weights, bias: solution.bias,
      steps: features.traits.table(solution.weights[features.scales.count...]))
    self.calibration = calibration
  }

  /// - Throws: `ShardError` if the file cannot be read, or `StageError` if it is not a classifier.
  init(_ path: String) throws {
    let file = try SafetensorsFile(path)
    func refuse(_ why: String) -> StageError {
      StageError(.input, path, "is not a classifier: \(why)", hint: "Wire the output 'classifier' of classifier.train.")
    }
    guard let text = file.metadata[Self.key] else { throw refuse("its metadata has no '\(Self.key)'") }
    let settings: Settings
    do {
      let json = try JSONValue.parse(Array(text.utf8)).value
      if let format = json["format"]?.integer, format != Self.format {
        throw StageError(
          .input, path, "is a classifier of format \(format), not of format \(Self.format)",
          hint: "Train it again with this version's classifier.train.")
      }
      settings = try json.decode(Settings.self)
    } catch let error as StageError { throw error } catch {
      throw refuse("the settings in its metadata are not valid: \(error)")
    }
    let shape = settings.shape
    guard shape.isSane, settings.bias.isFinite, settings.calibration.isSane else {
      throw refuse("the settings in its metadata are out of range")
    }
    let features = try file.withBytes(of: "features") { (entry, bytes) throws(ShardError) -> [Int32] in
      entry.type == .int32 ? (0..<entry.count).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self) } : []
    }
    let (scales, weights) = (try file.floats(of: "scales"), try file.floats(of: "weights"))
    guard scales.count == features.count, weights.count == features.count, !features.isEmpty,
      features.allSatisfy({ $0 >= 0 && $0 < shape.features }), scales.allSatisfy({ $0.isFinite && $0 > 0 }),
      weights.allSatisfy(\.isFinite)
    else { throw refuse("its tensors do not fit together") }
    var tables = ([Float](repeating: 0, count: shape.features), [Float](repeating: 0, count: shape.features))
    for (place, feature) in features.enumerated() {
      tables.0[Int(feature)] = scales[place]
      tables.1[Int(feature)] = weights[place]
    }
    let steps = try file["cuts"] == nil ? TraitSteps(cuts: [], steps: []) : Self.steps(file, shape)
    guard let steps, settings.traits == (steps.isEmpty ? [] : shape.traits) else {
      throw refuse("its traits are not those that this version takes")
    }
    model = LinearClassifier(
      shape: shape, scales: tables.0, weights: tables.1, bias: settings.bias, steps: steps)
    calibration = settings.calibration
  }

  /// nil if they do not fit the shape.
  private static func steps(_ file: SafetensorsFile, _ shape: GramShape) throws -> TraitSteps? {
    let (cuts, steps) = (try file.floats(of: "cuts"), try file.floats(of: "steps"))
    let traits = shape.traits.count
    guard cuts.count == traits * TraitSteps.cutsPerTrait, steps.count == traits * (TraitSteps.cutsPerTrait + 1),
      (cuts + steps).allSatisfy(\.isFinite)
    else { return nil }
    return TraitSteps(cuts: cuts, steps: steps)
  }

  /// - Throws: what writing throws.
  func write<Kind: ArtifactType>(_ workspace: Workspace, to output: Output<Kind>, name: String) throws {
    let features = model.scales.indices.filter { model.scales[$0] != 0 }
    let traits = model.steps.isEmpty ? [] : model.shape.traits
    let settings = Settings(shape: model.shape, traits: traits, bias: model.bias, calibration: calibration)
    let numbers = features.flatMap { feature in (0..<4).map { UInt8(truncatingIfNeeded: feature >> (8 * $0)) } }
    let file = try workspace.file(output, name)
    var tensors = [
      TensorSource("features", .int32, shape: [features.count], bytes: numbers),
      TensorSource("scales", shape: [features.count], floats: features.map { model.scales[$0] }),
      TensorSource("weights", shape: [features.count], floats: features.map { model.weights[$0] }),
    ]
    if !traits.isEmpty {
      let cuts = TraitSteps.cutsPerTrait
      tensors += [
        TensorSource("cuts", shape: [traits.count, cuts], floats: model.steps.cuts),
        TensorSource("steps", shape: [traits.count, cuts + 1], floats: model.steps.steps),
      ]
    }
    try Safetensors.write(
      tensors, metadata: [Self.key: try JSONValue.encoding(settings).text()], to: file, name: name)
    try workspace.publish(output, file, name: name)
  }
}
