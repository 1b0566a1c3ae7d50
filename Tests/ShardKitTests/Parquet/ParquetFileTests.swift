import Glibc
import TestKit
import Testing

@testable import ShardKit

@Suite(.needsParquet, .needsParquetPeer)
struct ParquetFileTests {
  /// All rows of a file as JSON lines.
  private func rows(_ path: String, blockBytes: Int = 8 << 20) throws -> [UInt8] {
    let file = try ParquetFile(path)
    let rows = try file.rows(paths: [], rest: Array(file.columns.indices), blockBytes: blockBytes)
    var out: [UInt8] = []
    while case let count = try rows.next(), count > 0 {
      for row in 0..<count {
        out.append(contentsOf: rows.object(row))
        out.append(10)
      }
    }
    return out
  }

  /// Compares files with pyarrow row by row; returns the differences. A file that cannot be read must be one that pyarrow
  /// cannot read.
  private func differences(_ paths: [String]) throws -> [String] {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    var list = ""
    for (number, path) in paths.enumerated() {
      do {
        try FileSystem.write(try rows(path), to: "\(folder)/\(number)")
        list += "\(path)\t\(folder)/\(number)\n"
      } catch let error as ShardError {
        #expect(
          error.code == .malformed && error.description.hasPrefix(path + ": cannot be read as Parquet or Arrow: "))
        list += "\(path)\t-\n"
      }
    }
    try FileSystem.write(Array(list.utf8), to: folder + "/list")
    let output = try #require(parquetPeer.run("compare", folder + "/list"))
    return String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  @Test func filesOfOtherWritersHaveTheRowsThatPyarrowReads() throws {
    let folder = try #require(writersParquetFiles)
    let names = try FileSystem.list(folder).sorted()
    #expect(names.count == 11)
    #expect(try differences(names.map { "\(folder)/\($0)" }) == [])
  }

  @Test func blocksOfAnySizeHaveTheSameRows() throws {
    let path = try #require(writersParquetFiles) + "/pyarrow.parquet"
    let whole = try rows(path)
    for bytes in [1, 1000, 20_000] { #expect(try rows(path, blockBytes: bytes) == whole) }
  }

  @Test func rowGroupsAndColumnsAreReadAlone() throws {
    let file = try ParquetFile(try #require(writersParquetFiles) + "/pyarrow.parquet")
    #expect(file.groups?.map(\.rows) == [100, 100, 100, 100, 100])
    #expect(file.columns.map(\.name).prefix(3) == ["text", "id", "url"])
    let rows = try file.rows(
      groups: 2..<4, paths: [["id"], ["minhash", "cluster"], ["minhash"], ["absent"], ["text", "deeper"]], rest: [2])
    var ids: [String] = []
    var first: [String] = []
    while case let count = try rows.next(), count > 0 {
      if ids.isEmpty {
        first = (0..<5).map {
          "\(rows.value(0, of: $0).kind) \(String(decoding: rows.value(0, of: $0).bytes, as: UTF8.self))"
        }
        first.append(String(decoding: rows.object(0), as: UTF8.self))
      }
      ids += (0..<count).map { String(decoding: rows.value($0, of: 0).bytes, as: UTF8.self) }
    }
    #expect(ids == (200..<400).map { "doc-\($0)" })
    #expect(
      first == [
        "string doc-200", "number 66", #"other {"cluster":66,"size":0,"words":[]}"#, "null ", "null ",
        #"{"url":"https://example.org/200"}"#,
      ])
  }

  /// Apache's set and that of hyparquet, with every encoding and codec.
  @Test(.needsRealTexts) func publishedFilesHaveTheRowsThatPyarrowReads() throws {
    let folder = realDataPath! + "/parquet"
    let names = try FileSystem.list(folder).filter { $0.hasSuffix(".parquet") }.sorted()
    #expect(names.count > 50)
    #expect(try differences(names.map { "\(folder)/\($0)" }) == [])
  }

  /// Malformed files: whatever they say, reading ends.
  @Test(.needsRealTexts) func malformedFilesGiveSentences() throws {
    let folder = realDataPath! + "/parquet/bad_data"
    let names = try FileSystem.list(folder)
    var failures = 0
    for name in names {
      do { _ = try rows("\(folder)/\(name)") } catch let error as ShardError {
        failures += 1
        #expect(error.code == .malformed && error.hint != nil, "\(error)")
      }
    }
    #expect(failures >= 6 && names.count >= 7)
  }

  @Test(arguments: [
    "types.parquet", "file.arrow", "stream.arrow", "duckdb-v2.parquet", "references.arrow",
  ])
  func damagedFilesAreReadOrRefused(_ name: String) throws {
    let seed = try FileSystem.read(try #require(writersParquetFiles) + "/" + name)
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    var mutations = Mutations(of: [seed])
    for _ in Mutations.rounds(100) {
      try FileSystem.write(mutations.next(), to: folder + "/damaged")
      do { _ = try rows(folder + "/damaged") } catch let error as ShardError {
        #expect(error.code == .malformed || error.code == .unsupported)
      }
    }
    for length in stride(from: 0, to: seed.count, by: max(1, seed.count / 50)) {
      try FileSystem.write(Array(seed[..<length]), to: folder + "/cut")
      do { _ = try rows(folder + "/cut") } catch let error as ShardError { #expect(error.code == .malformed) }
    }
  }

  @Test func memoryIsBounded() throws {
    let error = #expect(throws: ShardError.self) {
      let file = try ParquetFile(try #require(writersParquetFiles) + "/pyarrow.parquet", maximumBytes: 10_000)
      let rows = try file.rows(paths: [], rest: Array(file.columns.indices))
      while try rows.next() > 0 {}
    }
    #expect(error?.message.hasSuffix(": it needs more than 10000 bytes of memory at once") ?? false)
  }

  /// Rows that refer to a text that is there once: a block ends where what they refer to has filled it, in every form of
  /// Arrow, and where a Parquet file says how large its texts are and where it does not.
  @Test func whatRowsReferToIsBounded() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let (size, count) = (20_000, 4096)
    try #require(parquetPeer.run("expand", folder, "\(size)", "\(count)") != nil)
    let names = try FileSystem.list(folder).sorted()
    #expect(names.count == 11)
    for name in names where !name.hasPrefix("row-") {
      for isObject in [false, true] {
        let file = try ParquetFile("\(folder)/\(name)", maximumBytes: 20 << 20)
        let rows = try file.rows(paths: isObject ? [] : [["text"]], rest: isObject ? [0] : [], blockBytes: 5 * size)
        var total = 0
        while case let found = try rows.next(), found > 0 {
          total += found
          let last = isObject ? (bytes: rows.object(found - 1), kind: .other) : rows.value(found - 1, of: 0)
          guard found <= 5, last.kind == .other ? last.bytes.count > size : last.bytes.count == size else {
            Issue.record("\(name): \(found) rows in a block, the last one with \(last.bytes.count) bytes")
            break
          }
        }
        #expect(total == count, "\(name)")
      }
    }
    for name in ["row-of-nulls.arrow", "row-of-words.arrow"] {
      let error = #expect(throws: ShardError.self) {
        let rows = try ParquetFile("\(folder)/\(name)").rows(paths: [["text"]], rest: [], rowBytes: 10_000_000)
        while try rows.next() > 0 {}
      }
      #expect(
        error?.message.hasSuffix(": row 1 of those that are read has more than 10000000 bytes")
          ?? false, "\(error.map { "\($0)" } ?? "")")
    }
  }
}
