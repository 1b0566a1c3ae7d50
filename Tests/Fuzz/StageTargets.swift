import Glibc
import PipelineKit
import ShardKit
import Stages
import TestKit

/// One input, run once.
typealias FuzzTarget = @Sendable ([UInt8]) -> Void

/// Runs a stage over one file that holds the input, and reads back what it sealed.
///
/// - Parameters:
///   - option: the option that names the file.
///   - names: file names to choose from by the input's first byte, since readers go by suffix too.
///   - variants: further options to choose from by the same byte.
func source<S: Stage>(
  _ type: S.Type, _ option: String, names: [String], variants: [JSONValue] = [[:]]
) -> FuzzTarget {
  { input in
    guard let choice = input.first.map(Int.init) else { return }
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    write(Array(input.dropFirst()), to: "\(folder)/in/\(names[choice % names.count])")
    attempt {
      let options = merged(variants[choice / names.count % variants.count], [option: "in"])
      check(try StageHarness(type, options: options, base: folder).run())
    }
  }
}

/// Runs a stage over documents: the input's lines are their texts.
func documents<S: Stage>(_ type: S.Type, variants: [JSONValue]) -> FuzzTarget {
  { input in
    guard let choice = input.first.map(Int.init) else { return }
    let texts = input.dropFirst().split(separator: 0, maxSplits: 16, omittingEmptySubsequences: false)
    let documents = texts.enumerated().map { number, text in
      Document(id: "fuzz/\(number)", text: String(decoding: text, as: UTF8.self), source: "fuzz")
    }
    attempt {
      let harness = try StageHarness(type, options: variants[choice % variants.count])
      try harness.add(documents: [documents])
      check(try harness.run())
    }
  }
}

func attempt(_ body: () throws -> Void) {
  do {
    try body()
  } catch {
    // An error with a sentence is what bad input deserves; a sealed file that cannot be read is caught in `check`.
  }
}

/// What was sealed can be read again: documents are whole and valid UTF-8.
private func check(_ harness: StageHarness) {
  do {
    for document in try harness.documents() {
      for field in [document.id, document.text, document.source, document.metadata] {
        promise(String(validating: field, as: UTF8.self) != nil, "a sealed field is UTF-8")
      }
    }
    _ = try harness.drops()
  } catch {
    promise(false, "what a stage seals can be read: \(error)")
  }
}

func write(_ bytes: [UInt8], to path: String) {
  do {
    try FileSystem.makeDirectory(String(path[..<path.lastIndex(of: "/")!]))
    let sink = try FileSink(path)
    try sink.write(bytes)
    try sink.commit()
  } catch {
    fatalError("the input cannot be written: \(error)")
  }
}

private func merged(_ a: JSONValue, _ b: JSONValue) -> JSONValue {
  guard case .object(let left) = a, case .object(let right) = b else { return b }
  return .object(left + right)
}
