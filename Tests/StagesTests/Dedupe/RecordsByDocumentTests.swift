import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

private func artifact(_ path: String, _ bytes: [UInt8]) throws -> ArtifactFile {
  try FileSystem.write(bytes, to: path)
  return ArtifactFile(path: path, name: "records", bytes: Int64(bytes.count), digest: Digester.digest(bytes))
}

@Suite struct RecordsByDocumentTests {
  /// Ranges beside all records, filtered; files with none, and ranges beyond all of them.
  @Test func rangesAreTheRecordsOfTheirDocuments() throws {
    let folder = try TemporaryFolder()
    var planted = PlantedTexts(seed: 21)
    var all: [[DocumentPair]] = []
    for count in [0, 1, 7, 20_000] {
      let pairs = (0..<count).map { _ in
        DocumentPair(UInt32.random(in: 0..<3000, using: &planted), UInt32.random(in: 0..<UInt32.max, using: &planted))
      }
      all.append(pairs.sorted())
    }
    let artifacts = try all.enumerated().map { place, pairs in
      try artifact("\(folder.path)/\(place)", pairs.withUnsafeBytes { Array($0) })
    }
    let files = try RecordsByDocument<DocumentPair>(artifacts) { $0.first }
    for range in [0..<0, 0..<1, 5..<2000, 2999..<3000, 0..<Int(UInt32.max), 4_000_000_000..<4_294_967_295] {
      var found: [DocumentPair] = []
      try files.forEach(of: range) { found.append($0) }
      #expect(found == all.flatMap { pairs in pairs.filter { range.contains(Int($0.first)) } })
    }
  }

  @Test func incompleteRecordsAreAnError() throws {
    let folder = try TemporaryFolder()
    let cut = try artifact(folder.path + "/cut", [1, 2, 3, 4, 5])
    #expect(throws: ShardError.self) { try RecordsByDocument<DocumentNumber>([cut]) { $0.number } }
  }
}
