import ShardKit

/// A random text that a store keeps for itself, so that digests in the manifests that it shares cannot be compared with
/// those of guessed values.
public struct StoreSalt: Equatable, Sendable {
  private let text: String

  /// None: of a store in which nothing has run.
  public init() { text = "" }

  private static let bytes = 32

  private static func path(_ root: String) -> String { root + "/salt" }

  /// - Parameter root: the store's folder.
  /// - Throws: `ShardError` if it cannot be read.
  init(of root: String) throws(ShardError) {
    let path = Self.path(root)
    text = FileSystem.exists(path) ? String(decoding: try FileSystem.read(path, limit: 1 << 10), as: UTF8.self) : ""
  }

  /// Makes it, if the store has none. The caller holds the store's lock.
  /// - Throws: `ShardError` if it cannot be written.
  static func ensure(in root: String) throws(ShardError) {
    guard try StoreSalt(of: root) == StoreSalt() else { return }
    var generator = SystemRandomNumberGenerator()
    let random = (0..<bytes).map { _ in UInt8.random(in: 0...255, using: &generator) }
    try FileSystem.write(Array(Digester.digest(random).hex.utf8), to: path(root))
    try FileSystem.syncDirectory(root)
  }

  /// What a manifest says of a value.
  func concealing(_ value: JSONValue, _ name: String) -> JSONValue {
    var digester = Digester()
    for field in ["concealed", text, name, value.text()] { digester.update(field: field) }
    return .string("digest " + digester.finish().hex.prefix(16))
  }
}
