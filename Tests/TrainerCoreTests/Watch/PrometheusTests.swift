import Glibc
import ShardKit
import TestKit
import Testing

@testable import TrainerCore

/// What the server answers to bytes; nil if it closes without a word.
private func answer(_ port: UInt16, _ request: String, waits: Bool = false) -> String? {
  let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(client) }
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  let connected = withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
  guard connected == 0 else { return nil }
  var bytes = Array(request.utf8)
  send(client, &bytes, bytes.count, Int32(MSG_NOSIGNAL))
  var out: [UInt8] = []
  var block = [UInt8](repeating: 0, count: 4096)
  while true {
    let count = recv(client, &block, block.count, 0)
    guard count > 0 else { return out.isEmpty ? nil : String(decoding: out, as: UTF8.self) }
    out += block[..<count]
  }
}

@Suite struct PrometheusTests {
  private let metrics = StepMetrics(step: 12, loss: .nan, learningRate: 5e-5, samples: 96, tokens: 1 << 40)

  @Test func theTextIsTheExpositionFormat() {
    var metrics = metrics
    metrics.others = [.init("metrics/eval/x", 0.5)]
    let text = PrometheusText.text(metrics, labels: [("stage", "a\"b\\c\nd"), ("9 x", "y")])
    let samples = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
    let labels = "{stage=\"a\\\"b\\\\c\\nd\",_9_x=\"y\"}"
    #expect(
      samples == [
        "pipeline_training_steps_total\(labels) 12", "pipeline_training_samples_total\(labels) 96",
        "pipeline_training_tokens_total\(labels) 1099511627776", "pipeline_training_epoch\(labels) 0",
        "pipeline_training_loss\(labels) NaN", "pipeline_training_learning_rate\(labels) 5e-05",
        "pipeline_training_metrics_eval_x\(labels) 0.5",
      ])
    #expect(text.hasSuffix("\n"))
    #expect(text.contains("# TYPE pipeline_training_steps_total counter\n"))
  }

  @Test func theFileIsReplacedAtMostSoOften() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let file = PrometheusFile(folder + "/metrics.prom", minimumSeconds: 3600)
    try file.update("a\n")
    try file.update("b\n")
    #expect(try FileSystem.read(file.path) == Array("a\n".utf8))
    try file.update("c\n", force: true)
    #expect(try FileSystem.read(file.path) == Array("c\n".utf8))
    #expect(try FileSystem.list(folder) == ["metrics.prom"])
  }

  @Test func theServerAnswersOneQuestion() throws {
    let server = try PrometheusServer(port: 0)
    let long = String(repeating: "pipeline_training_loss 1\n", count: 50_000)
    server.update(long)
    let found = try #require(answer(server.port, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"))
    #expect(found.hasPrefix("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"))
    #expect(found.hasSuffix("\r\n\r\n" + long))
    #expect(answer(server.port, "GET / HTTP/1.1\r\n\r\n")?.hasPrefix("HTTP/1.1 404") == true)
    #expect(answer(server.port, "POST /metrics HTTP/1.1\r\n\r\n")?.hasPrefix("HTTP/1.1 405") == true)
    #expect(throws: ShardError.self) { try PrometheusServer(port: server.port) }
  }

  /// Neither silence nor a flood keeps the next client waiting.
  @Test func aBadClientIsCutOff() throws {
    let server = try PrometheusServer(port: 0)
    let began = monotonicSeconds()
    #expect(answer(server.port, "GET /metrics") == nil)
    #expect(monotonicSeconds() - began < 4)
    _ = answer(server.port, "GET /" + String(repeating: "x", count: 1 << 20))
    #expect(answer(server.port, "GET /metrics HTTP/1.0\r\n\r\n")?.hasPrefix("HTTP/1.1 200") == true)
    #expect(monotonicSeconds() - began < 8)
  }
}
