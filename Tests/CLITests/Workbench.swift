import Glibc
import ShardKit
import TestKit

/// A folder with a pipeline document and texts, in which tests run the built program.
final class Workbench {
  struct Outcome {
    var status: Int32
    var out: String
    var err: String
  }

  /// Whether the training engine is built.
  static let hasEngine =
    getenv("PIPELINE_ENGINE") != nil || FileSystem.exists(packagePath(".build/engine/libpipelinetorch.so"))

  let folder: String

  /// - Parameter texts: documents by file, as `texts/0.jsonl` and so on.
  init(_ document: String = Workbench.document(), texts: [[String]] = Workbench.texts) throws {
    folder = temporaryDirectory()
    try write("corpus.json", document)
    for (file, texts) in texts.enumerated() { try write(file: file, texts) }
  }

  deinit {
    chmod(folder + "/.pipeline", 0o755)
    try? FileSystem.removeTree(folder)
  }

  static let texts = [
    ["川沿いの古い水車小屋では、今も毎朝パンが焼かれている。", "短い", "駅前の小さな図書室には、読み終えた本を置いていく棚がある。"],
    ["雪が降る前の晩、山の家では保存食の瓶を数える。梅、味噌、茸。"],
  ]

  static func document(minimum: String = "20", files: String = "texts", extra: String = "") -> String {
    """
    { "format": 1, "name": "corpus", "parameters": { "files": "\(files)" },
      "stages": {
        "read": { "use": "documents.read", "options": { "files": "${files}" } },
        "clean": { "use": "text.clean", "options": { "minimumBytes": \(minimum) },
                   "inputs": { "documents": "read" } },
        "shards": { "use": "mds.write", "inputs": { "documents": "clean" } }\(extra)
      } }
    """
  }

  /// Texts of the repository, a small vocabulary, samples of this length, and a training with these options.
  static func training(sequenceLength: Int, _ options: String) -> String {
    """
    { "format": 1, "name": "corpus", "stages": {
      "text": { "use": "cc100.read", "options": { "files": "\(packagePath("Fixtures/cc100"))" } },
      "tokenizer": { "use": "tokenizer.train", "inputs": { "documents": "text" },
        "options": { "vocabularySize": 600 } },
      "tokens": { "use": "tokenizer.encode", "inputs": { "documents": "text", "tokenizer": "tokenizer" },
        "options": { "sequenceLength": \(sequenceLength) } },
      "train": { "use": "model.pretrain", "inputs": { "tokens": "tokens", "tokenizer": "tokenizer" },
        "options": { "sequenceLength": \(sequenceLength), \(options) } }
    } }
    """
  }

  func write(_ name: String, _ text: String) throws {
    let path = "\(folder)/\(name)"
    try FileSystem.makeDirectory(String(path[..<path.lastIndex(of: "/")!]))
    try FileSystem.write(Array(text.utf8), to: path)
  }

  func write(file: Int, _ texts: [String]) throws {
    var lines: [UInt8] = []
    for (number, text) in texts.enumerated() {
      Document(id: "f\(file)/\(number)", text: text, source: "test").append(to: &lines)
    }
    try FileSystem.makeDirectory(folder + "/texts")
    try FileSystem.write(lines, to: "\(folder)/texts/\(file).jsonl")
  }

  /// The build that the tests belong to, unless `PIPELINE_BINARY` names another.
  static let program =
    getenv("PIPELINE_BINARY").map { String(cString: $0) } ?? packagePath(".build/debug/pipeline")

  /// Starts a program in the folder, without colors and without variables of pipeline's own, which other tests of this
  /// process may have set.
  func start(_ words: [String], environment: [String: String] = [:]) throws -> ChildProcess {
    let variables = ["TERM": "dumb", "LANG": "C.UTF-8"].merging(environment) { $1 }
    return try ChildProcess(
      ["-C", folder, "-u", "PIPELINE_DOCUMENT", "-u", "PIPELINE_FAULT", "-u", "PIPELINE_WORKER"]
        + variables.map { "\($0.key)=\($0.value)" }
        + words, program: "/usr/bin/env")
  }

  @discardableResult
  func run(_ arguments: String..., environment: [String: String] = [:]) throws -> Outcome {
    try run(arguments, environment: environment)
  }

  func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Outcome {
    try finish([Self.program] + arguments, environment)
  }

  /// A shell command in the folder, with `pipeline` standing for the program.
  func shell(_ command: String) throws -> Outcome {
    try finish(["/bin/bash", "-c", "pipeline() { \(Self.program) \"$@\"; }; \(command)"], [:])
  }

  private func finish(_ words: [String], _ environment: [String: String]) throws -> Outcome {
    let result = try start(words, environment: environment).wait()
    return Outcome(status: result.status, out: result.output, err: result.errors)
  }

  /// Sentences on standard error that begin with "error: ", with this folder's name taken out.
  func errors(_ outcome: Outcome) -> [String] {
    outcome.err.split(separator: "\n").filter { $0.hasPrefix("error: ") }.map {
      String($0.dropFirst(7)).replacing(folder, with: "FOLDER")
    }
  }
}
