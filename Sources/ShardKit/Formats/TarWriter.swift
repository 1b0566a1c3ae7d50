/// Writes files into a tar archive: ustar with GNU long names. Equal members produce equal bytes.
public struct TarWriter {
  private let sink: any ByteSink

  public init(_ sink: any ByteSink) { self.sink = sink }

  /// Adds a file with this name.
  /// - Throws: what the sink throws.
  public func add(_ name: String, _ bytes: [UInt8]) throws(ShardError) {
    let raw = Array(name.utf8)
    if raw.count > 100 {
      try put(header(Array("././@LongLink".utf8), raw.count + 1, type: UInt8(ascii: "L")), raw + [0])
    }
    try put(header(Array(raw.prefix(100)), bytes.count, type: UInt8(ascii: "0")), bytes)
  }

  /// Writes the two empty blocks at the end; the caller still has to commit the sink.
  /// - Throws: what the sink throws.
  public func finish() throws(ShardError) { try sink.write([UInt8](repeating: 0, count: 1024)) }

  private func put(_ header: [UInt8], _ bytes: [UInt8]) throws(ShardError) {
    try sink.write(header)
    try sink.write(bytes)
    try sink.write([UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512))
  }

  private func header(_ name: [UInt8], _ size: Int, type: UInt8) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: 512)
    func set(_ offset: Int, _ text: [UInt8]) { out.replaceSubrange(offset..<offset + text.count, with: text) }
    func octal(_ value: Int, _ digits: Int) -> [UInt8] { Array(padded(value, digits, radix: 8).utf8) }
    set(0, name)
    set(100, octal(0o644, 7))
    set(108, octal(0, 7))
    set(116, octal(0, 7))
    set(124, octal(size, 11))
    set(136, octal(0, 11))
    set(148, [UInt8](repeating: 32, count: 8))
    out[156] = type
    set(257, Array("ustar\u{0}00".utf8))
    let sum = out.reduce(0) { $0 + Int($1) }
    set(148, octal(sum, 6) + [0, 32])
    return out
  }
}
