public import PipelineKit

/// How the files of several stages are arranged in a bucket, a folder or a repository.
public enum UploadLayout: String, CaseIterable, OptionChoice {
  /// `flat` for one artifact, otherwise `folders`.
  case automatic
  case flat
  case folders

  /// The folder of each artifact; empty for a flat layout. It is the stage's name or, if several outputs of the stage
  /// are wired, `stage/port`.
  func folders(for artifacts: [WiredArtifact]) -> [String] {
    if self == .flat || self == .automatic && artifacts.count == 1 { return artifacts.map { _ in "" } }
    return artifacts.map { artifact in
      artifacts.count { $0.stage == artifact.stage } == 1 ? artifact.stage : "\(artifact.stage)/\(artifact.port)"
    }
  }

  static let documentation =
    "Puts all files directly into the destination (flat) or each artifact into its own folder (folders), named after "
    + "its stage or, if several outputs of a stage are wired, stage/output. automatic: flat for a single artifact."
}
