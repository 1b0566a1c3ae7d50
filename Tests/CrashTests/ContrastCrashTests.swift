import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

private let hasEngine =
  getenv("PIPELINE_ENGINE") != nil || FileSystem.exists(packagePath(".build/engine/libpipelinetorch.so"))

/// Contrastive training as a stage: killed in a step or in a checkpoint, it comes to the bytes of a run that nobody
/// disturbed; with two processes, to its weights up to rounding.
@Suite(.serialized, .needs(hasEngine, "needs Scripts/engine")) final class ContrastCrashTests {
  private let folder = temporaryDirectory()

  deinit { try? FileSystem.removeTree(folder) }

  /// - Parameter contrast: the options of the training that follows; nil: the model alone.
  private func run(_ store: String, contrast: String?, fault: String? = nil) throws -> Int32 {
    let document = "\(folder)/contrast.json"
    let training = contrast.map { options in
      """
      , "contrast": { "use": "model.contrast", "retries": 0,
          "inputs": { "documents": "text", "checkpoint": "model", "tokenizer": "tokenizer" },
          "options": { "sentences": 64, "minimumCharacters": 4, "batchSize": 4, "microbatchSize": 3, "epochs": 6, "device": "cpu",
            "learningRate": 0.001, "checkpointSteps": 2\(options) } }
      """
    }
    let text = """
      { "format": 1, "name": "contrast", "stages": {
        "text": { "use": "cc100.read", "options": { "files": "\(packagePath("Fixtures/cc100"))" } },
        "tokenizer": { "use": "tokenizer.train", "inputs": { "documents": "text" }, "options": { "vocabularySize": 600 } },
        "tokens": { "use": "tokenizer.encode", "inputs": { "documents": "text", "tokenizer": "tokenizer" },
          "options": { "sequenceLength": 32 } },
        "model": { "use": "model.pretrain", "inputs": { "tokens": "tokens", "tokenizer": "tokenizer" },
          "options": { "hiddenSize": 32, "layers": 2, "heads": 4, "intermediateSize": 48, "sequenceLength": 32,
            "batchSize": 4, "microbatchSize": 4, "steps": 2, "warmupSteps": 1, "device": "cpu" } }\(training ?? "")
      } }
      """
    try FileSystem.write(Array(text.utf8), to: document)
    let environment = fault.map { ["PIPELINE_FAULT": $0] } ?? [:]
    return try ChildProcess(
      ["run", document, "--store", "\(folder)/\(store)", "--json"], environment: environment
    ).wait().status
  }

  private func file(_ store: String, _ name: String) throws -> String {
    let port = name.hasSuffix(".csv") ? "metrics" : "checkpoint"
    let found = try ChildProcess.run(
      "artifact", "\(folder)/contrast.json", "contrast.\(port)", "--store", "\(folder)/\(store)")
    return String(found.output.split(separator: "\n").first ?? "") + "/" + name
  }

  private func digests(_ store: String) throws -> [String] {
    try ["weights.safetensors", "embedding.json", "losses.csv"].map { try Digester.digest(file: file(store, $0)).hex }
  }

  @Test func killedAnywhereItEndsWithTheSameBytes() throws {
    #expect(try run("whole", contrast: "") == 0)
    let expected = try digests("whole")
    for (place, fault) in ["training.step:6", "checkpoint.files:2"].enumerated() {
      let store = "killed-\(place)"
      #expect(try run(store, contrast: nil) == 0)
      #expect(try run(store, contrast: "", fault: fault) == 1, "\(fault) was not reached")
      #expect(try run(store, contrast: "") == 0)
      #expect(try digests(store) == expected, "\(fault)")
    }
  }

  /// With dropout, which is by text.
  @Test func twoProcessesEqualOne() throws {
    #expect(try run("one", contrast: "") == 0)
    let one = try SafetensorsWeights(file("one", "weights.safetensors"))
    #expect(try run("two", contrast: #", "processes": 2"#) == 0)
    let two = try SafetensorsWeights(file("two", "weights.safetensors"))
    #expect(one.bytes.count == two.bytes.count && one.difference(two) < 1e-3)
  }
}

/// The numbers of a file of weights.
private struct SafetensorsWeights {
  let bytes: [UInt8]

  init(_ path: String) throws {
    let file = try FileSystem.read(path)
    let header = file.withUnsafeBytes { Int($0.loadUnaligned(as: UInt64.self)) }
    bytes = Array(file[(8 + header)...])
  }

  /// ‖a − b‖ / ‖b‖.
  func difference(_ other: Self) -> Double {
    func numbers(_ bytes: [UInt8]) -> [Float] { bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) } }
    var difference = 0.0, size = 0.0
    for (a, b) in zip(numbers(bytes), numbers(other.bytes)) {
      difference += Double(a - b) * Double(a - b)
      size += Double(b) * Double(b)
    }
    return (difference / size).squareRoot()
  }
}
