import ShardKit
import TestKit
import Testing

@Suite struct SignalsFileTests {
  private let folder = temporaryDirectory()

  private func write(_ rows: Int, to name: String = "a.signals") throws -> String {
    let path = folder + "/" + name
    let file = try FileSink(path)
    let writer = try SignalsWriter(
      file, columns: [SignalColumn("score", .number), SignalColumn("source", .text), SignalColumn("length", .number)])
    for row in 0..<rows {
      try writer.append(
        id: Array("文書\(row)".utf8), numbers: [row % 7 == 0 ? .nan : -Double(row) / 3, Double(row)],
        texts: [["web", "本", ""][row % 3]])
    }
    try writer.finish()
    try file.commit()
    return path
  }

  /// More rows than one block has.
  @Test func columnsComeBackAsTheyWereWritten() throws {
    let rows = 70_000
    let reader = try SignalsReader(write(rows))
    #expect(reader.blocks == [65_536, rows - 65_536])
    #expect(reader.columns.map(\.name) == ["score", "source", "length"])
    let scores = try reader.blocks.indices.flatMap { try reader.numbers(0, block: $0) }
    let lengths = try reader.blocks.indices.flatMap { try reader.numbers(2, block: $0) }
    #expect(lengths == (0..<rows).map(Double.init))
    #expect(scores.enumerated().allSatisfy { $0 % 7 == 0 ? $1.isNaN : $1 == -Double($0) / 3 })
    let sources = try reader.texts(1, block: 1)
    #expect(sources.codes.map { sources.values[Int($0)] } == (65_536..<rows).map { ["web", "本", ""][$0 % 3] })
    let ids = try reader.ids(block: 1)
    #expect(ids.first.map { String(decoding: $0, as: UTF8.self) } == "文書65536")
    #expect(try reader.hashes(block: 1) == ids.map { recordHash($0) })
  }

  @Test func aFileWithoutDocumentsHasItsColumns() throws {
    let reader = try SignalsReader(write(0))
    #expect(reader.rows == 0 && reader.blocks.isEmpty && reader.columns.count == 3)
  }

  @Test func aDamagedFileIsAnErrorWhereverItIsDamaged() throws {
    let path = try write(300)
    let whole = try FileSystem.read(path)
    var random = SplitMix(seed: 5)
    for _ in 0..<400 {
      var bytes = whole
      let place = Int.random(in: 0..<bytes.count, using: &random)
      if Bool.random(using: &random) { bytes.removeLast(bytes.count - place) } else { bytes[place] ^= 0x55 }
      try FileSystem.write(bytes, to: path)
      // What a reader gives for damaged bytes is an error or values, never a trap.
      do throws(ShardError) {
        let reader = try SignalsReader(path)
        for block in reader.blocks.indices {
          for (number, column) in reader.columns.enumerated() {
            _ =
              column.kind == .number
              ? try reader.numbers(number, block: block).count : try reader.texts(number, block: block).codes.count
          }
          _ = try reader.ids(block: block)
        }
      } catch {
        #expect(error.code == .malformed)
      }
    }
  }
}
