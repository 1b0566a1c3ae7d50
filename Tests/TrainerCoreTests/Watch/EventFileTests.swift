import ShardKit
import TestKit
import Testing

@testable import TrainerCore

private let tensorboard = PeerScript("tensorboard_events.py")

@Suite struct EventFileTests {
  private let folder = temporaryDirectory()

  /// The check value of the catalogs of checksums, and those of RFC 3720, appendix B.4.
  @Test func theChecksumIsCastagnolis() {
    #expect(CRC32C.checksum("123456789".utf8) == 0xE306_9283)
    #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(CRC32C.checksum([UInt8](repeating: 255, count: 32)) == 0x62A8_AB43)
    #expect(CRC32C.checksum((0..<32).map { UInt8($0) }) == 0x46DD_794E)
  }

  private func points() throws -> [String] {
    String(decoding: try #require(tensorboard.run(folder)), as: UTF8.self).split(separator: "\n").map { String($0) }
  }

  @Test(.needs(tensorboard.isUsable, "needs Python with tensorboard")) func tensorBoardReadsScalars() throws {
    defer { try? FileSystem.removeTree(folder) }
    let file = try EventFile(folder: folder)
    var metrics = StepMetrics(step: 1, loss: 10.5, learningRate: 0.25, gradientNorm: 2, samples: 8, tokens: 1024)
    try file.add(metrics.scalars, step: 1)
    metrics.loss = .nan
    metrics.tokensPerSecond = 4096
    metrics.devices = 2
    try file.add(metrics.scalars, step: 2_000_000_000_000)
    #expect(
      try points() == [
        "l2_norm/grad/global 1 2.0", "l2_norm/grad/global 2000000000000 2.0",
        "loss/train/total 1 10.5", "loss/train/total 2000000000000 nan",
        "lr-AdamW/group0 1 0.25", "lr-AdamW/group0 2000000000000 0.25",
        "throughput/device/tokens_per_sec 2000000000000 2048.0", "throughput/tokens_per_sec 2000000000000 4096.0",
        "time/epoch 1 0.0", "time/epoch 2000000000000 0.0", "time/sample 1 8.0", "time/sample 2000000000000 8.0",
        "time/token 1 1024.0", "time/token 2000000000000 1024.0",
      ])
  }

  /// A killed run leaves half a record and steps past its checkpoint; the next file makes TensorBoard forget both.
  @Test(.needs(tensorboard.isUsable, "needs Python with tensorboard")) func aResumedCurveHasEachStepOnce() throws {
    defer { try? FileSystem.removeTree(folder) }
    let first = try EventFile(folder: folder, wallTime: 1_700_000_000)
    for step in 1...5 { try first.add([.init("x", Double(step))], step: step) }
    let whole = try FileSystem.read(first.path)
    try FileSystem.write(Array(whole.dropLast(7)), to: first.path)
    // The clock was put back meanwhile.
    let second = try EventFile(folder: folder, firstStep: 4, wallTime: 1_600_000_000)
    for step in 4...6 { try second.add([.init("x", Double(step) + 0.5)], step: step) }
    #expect(try points() == ["x 1 1.0", "x 2 2.0", "x 3 3.0", "x 4 4.5", "x 5 5.5", "x 6 6.5"])
    #expect(first.path < second.path, "TensorBoard reads files in the order of their names")
  }
}
