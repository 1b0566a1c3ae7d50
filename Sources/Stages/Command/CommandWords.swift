import PipelineKit
import ShardKit

/// The words of a command with the folders that they name: `{input.documents}/a`, `--output={output.model}`, `{state}`.
struct CommandWords {
  private let words: [String]
  /// The ports that it names, in their order of declaration.
  let inputs: [String]
  let outputs: [String]
  let usesState: Bool

  /// - Throws: `StageError` (`.options`) for a port that does not exist.
  init(_ words: [String]) throws(StageError) {
    self.words = words
    var named: [String: Set<String>] = ["input": [], "output": []]
    let known = ["input": CommandFiles.inputs.map(\.name), "output": CommandFiles.outputs.map(\.name)]
    for word in words {
      for match in word.matches(of: #/\{(input|output)\.([^{}]*)\}/#) {
        let direction = String(match.1), port = String(match.2)
        guard let ports = known[direction], ports.contains(port) else {
          throw StageError(
            .options, "command", "'{\(direction).\(port)}' names no port",
            hint: "The \(direction)s are \((known[direction] ?? []).joined(separator: ", ")).")
        }
        named[direction]?.insert(port)
      }
    }
    inputs = (known["input"] ?? []).filter { named["input"]?.contains($0) ?? false }
    outputs = (known["output"] ?? []).filter { named["output"]?.contains($0) ?? false }
    usesState = words.contains { $0.contains("{state}") }
  }

  func filled(inputs: String, outputs: String, state: String) -> [String] {
    words.map { word in
      word.replacing(#/\{(input|output)\.([^{}]*)\}/#) { match in
        "\(match.1 == "input" ? inputs : outputs)/\(match.2)"
      }.replacing("{state}", with: state)
    }
  }
}
