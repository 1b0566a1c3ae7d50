import PipelineKit
import ShardKit
import TrainerCore

/// JGLUE's files in a folder, by task: `jsts/train-v1.3.json`, `jsts-v1.3/train-v1.3.json` or `JSTS/train-00000-of-00001.parquet`.
struct JGLUEFiles {
  private var found: [JGLUEBenchmark: [ArtifactFile]] = [:]

  init(_ files: [ArtifactFile]) {
    for task in JGLUEBenchmark.allCases {
      let own = files.filter { file in
        let parts = ArchivePath.parts(file.name).map { $0.lowercased() }
        let isTasks = parts.dropLast().contains { $0 == task.rawValue || $0.hasPrefix(task.rawValue + "-") }
        return isTasks && (Self.isTraining(file) || Self.isTest(file))
      }
      if own.contains(where: Self.isTraining), own.contains(where: Self.isTest) { found[task] = own }
    }
  }

  static func isTraining(_ file: ArtifactFile) -> Bool { lastName(file).hasPrefix("train") }
  static func isTest(_ file: ArtifactFile) -> Bool { lastName(file).hasPrefix("valid") }

  private static func lastName(_ file: ArtifactFile) -> String { ArchivePath.lastPart(of: file.name) }

  /// The requested tasks, or all that are present.
  /// - Throws: `StageError` (`input`) if a requested task, or every one, is missing, or a set is there twice, as in two
  ///   versions.
  func chosen(_ tasks: [JGLUEBenchmark]) throws -> [(JGLUEBenchmark, [ArtifactFile])] {
    for task in tasks where found[task] == nil {
      throw StageError(
        .input, "options.folder", "has no \(task.rawValue)/train-*.json with \(task.rawValue)/valid-*.json",
        hint: "Fetch JGLUE's 'datasets' folder, or remove '\(task.rawValue)' from 'tasks'.")
    }
    let chosen = JGLUEBenchmark.allCases.compactMap { task in
      tasks.isEmpty || tasks.contains(task) ? found[task].map { (task, $0) } : nil
    }
    guard !chosen.isEmpty else {
      throw StageError(
        .input, "options.folder", "has no task with train-*.json and valid-*.json",
        hint: "Give JGLUE's 'datasets' folder, which has a folder per task.")
    }
    for (_, files) in chosen { try ReleasedFiles.check(files) { Self.isTraining($0) ? "training" : "test" } }
    return chosen
  }
}

/// One fine-tuning run of the protocol, and the content of its file in `runs`.
struct JGLUERun: Codable, Equatable, Sendable {
  var task: JGLUEBenchmark
  var learningRate: Double
  var epochs: Int
  var seed: Int

  var key: String { "\(task.rawValue)-\(learningRate)-\(epochs)-\(seed)" }
  static let fileSuffix = ".run.json"

}

extension JGLUERun {
  init(_ file: ArtifactFile) throws {
    let json = try JSONValue.parse(try FileSystem.read(file.path)).value
    do { self = try json.decode() } catch { throw StageError(.input, file.name, "is not a JGLUE run") }
  }
}

/// The content of a run's file in `scores`.
struct JGLUEScores: Codable {
  var run: JGLUERun
  /// As the engine reports them, by their names.
  var scores: JSONValue

  /// A score that is not a number is NaN.
  var byName: [String: Double] {
    Dictionary(
      (scores.members ?? []).map { ($0.key, $0.value.double ?? .nan) }, uniquingKeysWith: { first, _ in first })
  }
}

extension JGLUEScores {
  init(_ file: ArtifactFile) throws {
    let json = try JSONValue.parse(try FileSystem.read(file.path)).value
    do { self = try json.decode() } catch { throw StageError(.input, file.name, "is not a run") }
  }
}
