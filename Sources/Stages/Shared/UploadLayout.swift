public import PipelineKit

/// Where the files of several stages are put, in a bucket, a folder or a repository.
public enum UploadLayout: String, CaseIterable, OptionChoice {
  /// Flat for one artifact, else folders.
  case automatic
  case flat
  case folders

  /// A folder for each artifact, empty where its files lie right there: the stage's name or, where several outputs of
  /// a stage are wired, `stage/port`.
  func folders(for artifacts: [WiredArtifact]) -> [String] {
    if self == .flat || self == .automatic && artifacts.count == 1 { return artifacts.map { _ in "" } }
    return artifacts.map { artifact in
      artifacts.count { $0.stage == artifact.stage } == 1 ? artifact.stage : "\(artifact.stage)/\(artifact.port)"
    }
  }

  static let documentation =
    "Puts the files right there (flat) or each artifact's in a folder (folders), named after its stage or, where several "
    + "of a stage are wired, stage/output; automatic means flat for a single artifact."
}
