import CTorch

/// A connection to the key-value store that the first process of a group serves.
final class GroupStore: @unchecked Sendable {
  // Used by one thread at a time: the store of torch serializes calls.
  private let handle: OpaquePointer
  private let engine: Engine

  private static let prefix = "pipeline/"
  private static let mostBytes = 4096

  init(_ engine: Engine, host: String, port: Int, timeoutSeconds: Double) throws(TorchError) {
    self.engine = engine
    var out: OpaquePointer?
    try engine.check("store_open", engine.table.pointee.store_open(host, Int32(port), timeoutSeconds, &out))
    handle = out!
  }

  deinit { engine.table.pointee.store_close(handle) }

  /// Adds to a number, which is 0 at first.
  /// - Returns: the sum.
  func add(_ key: String, _ amount: Int) throws(TorchError) -> Int {
    var out: Int64 = 0
    try engine.check("store_add", engine.table.pointee.store_add(handle, Self.prefix + key, Int64(amount), &out))
    return Int(out)
  }

  func set(_ key: String, _ text: String) throws(TorchError) {
    let bytes = Array(text.utf8.prefix(Self.mostBytes))
    try engine.check("store_set", engine.table.pointee.store_set(handle, Self.prefix + key, bytes, bytes.count))
  }

  /// nil if there is no value; does not wait for one.
  func get(_ key: String) throws(TorchError) -> String? {
    var bytes = [UInt8](repeating: 0, count: Self.mostBytes)
    var count = 0
    try engine.check(
      "store_get", engine.table.pointee.store_get(handle, Self.prefix + key, &bytes, bytes.count, &count))
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
  }
}
