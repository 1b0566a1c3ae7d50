import PipelineKit
import ShardKit

/// The values of a `config.json`, read by their types: a missing one, or null, is nil; a float that is whole counts as
/// that integer; any other type is an error, never a default.
struct ConfigurationValues {
  let json: JSONValue
  let path: String
  /// Of a nested object: its keys, with a point behind each.
  private var prefix = ""

  init(_ json: JSONValue, path: String) { (self.json, self.path) = (json, path) }

  func integer(_ key: String) throws -> Int? {
    try value(key, "an integer") { $0.integer ?? $0.double.flatMap { Int(exactly: $0) } }
  }

  func number(_ key: String) throws -> Double? { try value(key, "a number", \.double) }

  func flag(_ key: String) throws -> Bool? { try value(key, "true or false", \.bool) }

  func text(_ key: String) throws -> String? { try value(key, "a text", \.string) }

  func list(_ key: String) throws -> [JSONValue]? { try value(key, "a list", \.array) }

  /// The values of an object; of an empty one if it is missing.
  func object(_ key: String) throws -> ConfigurationValues {
    _ = try value(key, "an object", \.members)
    var values = ConfigurationValues(json[key] ?? .null, path: path)
    values.prefix = "\(prefix)\(key)."
    return values
  }

  func wrong(_ message: String, hint: String? = nil) -> StageError { StageError(.input, path, message, hint: hint) }

  private func value<Value>(_ key: String, _ type: String, _ read: (JSONValue) -> Value?) throws -> Value? {
    guard let given = json[key], given != .null else { return nil }
    guard let value = read(given) else {
      let text = given.text()
      throw wrong(
        "\(prefix)\(key) is \(text.utf8.count > 200 ? "a value of another type" : text), not \(type)",
        hint: "Correct the file, or fetch it again.")
    }
    return value
  }
}
