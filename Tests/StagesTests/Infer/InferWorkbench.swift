import NetKit
import PipelineKit
import ShardKit
import Stages
import TestKit

/// A stage that asks a local server, with answers that are kept between its harnesses.
final class InferWorkbench {
  let server: LocalServer
  let folder = temporaryDirectory()
  var options: [String: JSONValue] = [:]

  init(rules: [JSONValue] = [], key: String? = nil, options: [String: JSONValue] = [:]) throws {
    server = try LocalServer()
    try setRules(rules, key: key)
    self.options = [
      "endpoint": .string(server.origin + "/v1"), "model": "test-model", "prompt": "{text}",
      "allowPrivateAddresses": true, "firstWaitSeconds": .number(0.001), "state": .string(folder + "/answers"),
      "metadataFrom": ["said": "answer"],
    ]
    self.options.merge(options) { $1 }
  }

  deinit { try? FileSystem.removeTree(folder) }

  /// Sets what the model says from now on.
  func setRules(_ rules: [JSONValue], key: String? = nil) throws {
    var order: [JSONMember] = [JSONMember("rules", .list(rules))]
    if let key { order.append(JSONMember("key", .string(key))) }
    try server.control("chat", .object(order))
  }

  static func rule(_ match: String, _ steps: JSONValue...) -> JSONValue {
    ["match": .string(match), "steps": .list(steps)]
  }

  func harness(_ more: [String: JSONValue] = [:]) throws -> StageHarness {
    let all = options.merging(more) { $1 }.sorted { $0.key < $1.key }.map { JSONMember($0.key, $0.value) }
    return try StageHarness(InferEndpoint.self, options: .object(all))
  }

  /// Asks about texts, whose ids are their numbers from 0.
  func ask(_ texts: [String], _ more: [String: JSONValue] = [:]) throws -> StageHarness {
    try ask([texts], more)
  }

  /// The same with several files.
  func ask(_ files: [[String]], _ more: [String: JSONValue] = [:]) throws -> StageHarness {
    let harness = try harness(more)
    var number = 0
    try harness.add(
      documents: files.map { texts in
        texts.map { text in
          defer { number += 1 }
          return Document(id: "\(number)", text: text, source: "test", metadata: ["n": .integer(number)])
        }
      })
    return try harness.run()
  }
}
