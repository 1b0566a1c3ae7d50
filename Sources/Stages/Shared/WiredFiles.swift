import PipelineKit
import ShardKit

extension PlanningContext {
  /// The files that a reader reads: those wired to it, then those that its option names. Having none is an error.
  func files(_ input: Input<Files>, and option: InputFiles, named name: String) throws -> [ArtifactFile] {
    let all = files(input) + (option.isEmpty ? [] : try files(option))
    guard !all.isEmpty else {
      throw StageError(
        .options, name, "there is nothing to read",
        hint: "Name files or folders, or wire a stage that downloads them, such as http.download.")
    }
    return all
  }
}
