import PipelineKit
import ShardKit
import TestKit
import Testing

/// A folder of pipeline files, read with the fake stages.
final class DocumentBench {
  let folder = temporaryDirectory()

  deinit { try? FileSystem.removeTree(folder) }

  func write(_ name: String, _ text: String) throws {
    let path = "\(folder)/\(name)"
    try FileSystem.makeDirectory(ArchivePath.folder(of: path))
    try FileSystem.write(Array(text.utf8), to: path)
  }

  func graph(_ name: String, set: [String] = [], place: PlaceValues? = nil) throws -> Graph {
    let overrides = set.map { text in
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      return (name: parts[0], value: parts[1])
    }
    let document = try PipelineSpec.load("\(folder)/\(name)", overrides: overrides, place: place, registry: .fake)
    return try Graph(document, registry: .fake)
  }

  /// The values of the profile `abci`, which stand in the fourth line.
  func place(_ values: String) throws -> PlaceValues? {
    try write(
      "pipeline-profile.json",
      """
      { "format": 1, "profiles": {
        "other": { "values": { "data": "elsewhere" } },
        "abci": { "values": {
        \(values)
      } } } }
      """)
    return try ProfileFile.values((file: "\(folder)/pipeline-profile.json", name: "abci"), beside: folder)
  }

  /// The sentences of what is wrong, without the folder.
  func errors(_ name: String, set: [String] = [], place: PlaceValues? = nil) -> [String] {
    let error = #expect(throws: SpecErrors.self) { try graph(name, set: set, place: place) }
    return (error?.description ?? "").split(separator: "\n").map { String($0).replacing(folder + "/", with: "") }
  }
}

extension Graph {
  /// The options of a stage as JSON, those that differ from their defaults.
  func options(_ stage: String) -> String {
    let node = nodes[index(of: stage)!]
    let defaults = Dictionary(uniqueKeysWithValues: node.description.options.map { ($0.name, $0.defaultValue) })
    return JSONValue.object(
      node.configured.options.filter { $0.value != defaults[$0.name] }.map { JSONMember($0.name, $0.value) }
    ).text()
  }

  /// The stages that a stage reads, with their outputs.
  func inputs(_ stage: String) -> [String] {
    nodes[index(of: stage)!].edges.map { "\(nodes[$0.source].name).\($0.output)" }
  }
}
