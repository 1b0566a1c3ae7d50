import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages

@Suite struct ShingleSetsTests {
  private let folder = temporaryDirectory()

  /// Two files with rows 3 and 7 of five and eight documents, between them one without sets.
  private func paths(_ texts: [[(row: Int, text: String)]]) throws -> [String] {
    try texts.enumerated().map { part, rows in
      let path = "\(folder)/\(part)"
      let sink = try FileSink(path)
      var writer = ShingleFileWriter(sink, shape: SignatureShape())
      for (row, text) in rows {
        try Array(text.utf8).withUnsafeBytes { try writer.append(row: row, text: $0) }
      }
      try writer.finish()
      try sink.commit()
      return path
    }
  }

  @Test func setsAreFoundByDocument() throws {
    let same = "同じことを述べる、少し長い文章である。"
    let paths = try paths([[(0, same), (3, "違うことを述べる、別の文章だ。")], [], [(7, same)]])
    let sets = try ShingleSets(paths, bases: [0, 5, 6, 14])
    #expect(try sets.jaccard(0, 13) == 1)
    #expect(try sets.jaccard(3, 13) < 0.3)
    for missing: UInt32 in [1, 4, 5, 12] { #expect(throws: ShardError.self) { try sets.bytes(missing) } }
  }

  /// Whatever is left of a file: an error, or the sets that it held.
  @Test func cutFilesAreErrors() throws {
    let path = try paths([[(1, "ある文章である。"), (2, "別の文章である。")]])[0]
    let bytes = try FileSystem.read(path)
    let whole = try ShingleSets([path], bases: [0, 3]).jaccard(1, 2)
    for length in 1..<bytes.count {
      try FileSystem.write(Array(bytes[..<length]), to: path)
      let found = try? ShingleSets([path], bases: [0, 3]).jaccard(1, 2)
      #expect(found == nil || found == whole)
    }
  }
}
