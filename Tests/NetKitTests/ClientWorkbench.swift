import NetKit
import ShardKit
import TestKit

/// A misbehaving server, a client whose waits take no time, and a folder.
final class ClientWorkbench {
  let server: LocalServer
  let clock = ManualClock()
  let folder = temporaryDirectory()
  var options = HTTPClient.Options()
  private(set) var retried: [String] = []

  init(tls: Bool = false) throws {
    server = try LocalServer(tls: tls)
    options.allowsSpecialAddresses = true
    options.retrying.chance = { 1 }
    options.contact = "mailto:corpus@example.org"
  }

  deinit { try? FileSystem.removeTree(folder) }

  func client(
    rules: Politeness.Rules = Politeness.Rules(delaySeconds: 0), isCancelled: @escaping () -> Bool = { false }
  )
    throws -> HTTPClient
  {
    try HTTPClient(options, politeness: Politeness(rules, clock: clock), isCancelled: isCancelled) { error, wait in
      self.retried.append("\(error.message); \(wait)")
    }
  }

  func url(_ path: String) throws -> WebURL { try WebURL(server.origin + path) }

  func get(_ path: String, _ change: (inout HTTPRequest) -> Void = { _ in }) throws -> HTTPResponse {
    var request = HTTPRequest(.get, try url(path))
    change(&request)
    return try client().send(request)
  }

  /// The error's sentence, with the server's address and the folder replaced.
  func sentence(_ body: () throws -> Void) -> String {
    do { try body() } catch {
      return "\(error)".replacing(server.origin, with: "http://server").replacing(folder, with: "FOLDER")
        .replacing(server.secureOrigin, with: "https://server")
    }
    return "no error"
  }

  func read(_ name: String) throws -> String {
    String(decoding: try FileSystem.read("\(folder)/\(name)"), as: UTF8.self)
  }
  var files: [String] { (try? FileSystem.list(folder)) ?? [] }
}

extension [UInt8] {
  var text: String { String(decoding: self, as: UTF8.self) }
}
