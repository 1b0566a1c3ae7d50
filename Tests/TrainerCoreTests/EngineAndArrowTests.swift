import ShardKit
import TestKit
import Testing
import TrainerCore

/// libtorch and Arrow's library in one process, each after and before the other has worked.
@Suite(.needsParquet, .needs(TinyModel.hasEngine, "needs Scripts/engine"), .takesTheEngine)
struct EngineAndArrowTests {
  @Test func theyWorkInOneProcess() throws {
    let engine = try #require(TinyModel.engine)
    let weight = try engine.tensor([Float(1), 2, 3, 4], shape: [2, 2])
    for number in 0..<3 {
      let batch = try ArrowBatch(["text", "absent"], for: "test")
      for row in 0..<100 {
        batch.append(Array("\(number) 川 \(row)".utf8), to: 0)
        batch.append(nil, to: 1)
      }
      let texts = try batch.stream().withUnsafeBytes { stream in
        let rows = try ParquetRows(stream: stream, columns: ["text", "absent"], maximumBytes: 1 << 20)
        let count = try rows.next()
        return (0..<count).map { String(decoding: rows.value($0, of: 0).bytes, as: UTF8.self) }
      }
      #expect(texts == (0..<100).map { "\(number) 川 \($0)" })
      let input = try engine.tensor([Float(number), 1], shape: [1, 2])
      #expect(try input.linear(weight).floats() == [Float(number) + 2, 3 * Float(number) + 4])
    }
  }
}
