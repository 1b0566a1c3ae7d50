import Glibc
import ShardKit
import TestKit

/// A real Prometheus with the configuration and rules of `Operations/monitoring`, at short intervals.
final class PrometheusServer {
  private static let programs = [
    "prometheus", "promtool", "prometheus-alertmanager", "amtool", "prometheus-node-exporter",
  ]
  static let isInstalled = programs.allSatisfy { program in
    (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":").contains {
      access("\($0)/\(program)", X_OK) == 0
    }
  }

  static let files = packagePath("Operations/monitoring")

  private let folder = temporaryDirectory()
  private let child: ChildProcess
  private let alertmanager: ChildProcess
  let loopback: Loopback
  private let alerts: Loopback

  /// - Parameter target: the port of a run.
  init(scraping target: Int) throws {
    var configuration = String(decoding: try FileSystem.read(Self.files + "/prometheus.yml"), as: UTF8.self)
    let alertPort = try freePort()
    let changes = [
      ("15s", "1s"), ("127.0.0.1:9464", "127.0.0.1:\(target)"), ("127.0.0.1:9093", "127.0.0.1:\(alertPort)"),
    ]
    for (shipped, short) in changes {
      guard configuration.contains(shipped) else { throw ShardError(.malformed, "prometheus.yml", "has no \(shipped)") }
      configuration = configuration.replacing(shipped, with: short)
    }
    try FileSystem.write(Array(configuration.utf8), to: folder + "/prometheus.yml")
    try FileSystem.write(try FileSystem.read(Self.files + "/alerts.yml"), to: folder + "/alerts.yml")
    let port = try freePort()
    child = try ChildProcess(
      [
        "--config.file=\(folder)/prometheus.yml", "--storage.tsdb.path=\(folder)/data",
        "--web.listen-address=127.0.0.1:\(port)", "--log.level=warn",
      ], program: "prometheus")
    alertmanager = try ChildProcess(
      [
        "--config.file=\(Self.files)/alertmanager.yml", "--storage.path=\(folder)/alerts", "--cluster.listen-address=",
        "--web.listen-address=127.0.0.1:\(alertPort)", "--log.level=error",
      ], program: "prometheus-alertmanager")
    loopback = Loopback(port: port, server: "prometheus")
    alerts = Loopback(port: alertPort, server: "alertmanager")
    try alertmanager.works(until: "Alertmanager") { [alerts] in
      (try? alerts.get("/-/ready"))?.status == "HTTP/1.1 200 OK"
    }
    try child.works(until: "Prometheus") { (try? loopback.get("/-/ready"))?.status == "HTTP/1.1 200 OK" }
  }

  deinit {
    for process in [child, alertmanager] {
      process.signal(SIGKILL)
      _ = try? process.wait()
    }
    try? FileSystem.removeTree(folder)
  }

  func get(_ path: String) throws -> JSONValue { try JSONValue.parse(try loopback.get(path).body).value }

  /// What Alertmanager groups for a receiver: the receiver, and the names of its alerts.
  func received() throws -> [(receiver: String, alerts: Set<String>)] {
    let groups = try JSONValue.parse(try alerts.get("/api/v2/alerts/groups").body).value
    return (groups.array ?? []).map { group in
      let names = (group["alerts"]?.array ?? []).compactMap { $0["labels"]?["alertname"]?.string }
      return (group["receiver"]?["name"]?.string ?? "", Set(names))
    }
  }

  /// The labels and values that an expression has now.
  /// - Throws: `ShardError` with Prometheus' words for an expression that it does not understand.
  func query(_ expression: String) throws -> [(labels: JSONValue, value: Double)] {
    let answer = try get("/api/v1/query?query=\(Self.escaped(expression))")
    guard answer["status"]?.string == "success" else {
      throw ShardError(.malformed, expression, answer["error"]?.string ?? "no answer")
    }
    return (answer["data"]?["result"]?.array ?? []).map { result in
      let value = result["value"]?.array?.last?.string.flatMap { Double($0) } ?? .nan
      return (result["metric"] ?? [:], value)
    }
  }

  /// Names of the alerts that fire.
  func firing() throws -> Set<String> {
    let alerts = try get("/api/v1/alerts")["data"]?["alerts"]?.array ?? []
    return Set(alerts.filter { $0["state"]?.string == "firing" }.compactMap { $0["labels"]?["alertname"]?.string })
  }

  private static func escaped(_ text: String) -> String {
    text.utf8.map { byte in
      let isPlain = (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
      return isPlain ? String(UnicodeScalar(byte)) : "%" + padded(byte, 2, radix: 16, uppercase: true)
    }.joined()
  }
}
