import Glibc
public import ShardKit

/// A TensorBoard event file, `events.out.tfevents.…`, with scalars.
///
/// A record is `u64 length, u32 checksum of it, data, u32 checksum of the data`, little-endian, its data an `Event` of
/// tensorboard's protocol buffers. After a resume a new file begins with a session start, at which TensorBoard discards
/// the steps that are trained again.
public final class EventFile {
  public var path: String { file.path }
  private let file: AppendedFile

  /// - Parameters:
  ///   - firstStep: the first step that this file may have, if training is resumed; nil at its start.
  ///   - wallTime: seconds since 1970; part of the name, by which TensorBoard orders files.
  /// - Throws: `ShardError` if the file cannot be written.
  public init(folder: String, firstStep: Int? = nil, wallTime: Double? = nil) throws(ShardError) {
    let wallTime = wallTime ?? wallSeconds()
    try FileSystem.makeDirectory(folder)
    file = try AppendedFile("\(folder)/\(try Self.name(in: folder, wallTime: wallTime))")
    var start = Event(wallTime: wallTime, step: firstStep ?? 0)
    start.add(field: 3, bytes: Array("brain.Event:2".utf8))
    try append(start)
    guard let firstStep else { return }
    var session = Event(wallTime: wallTime, step: firstStep)
    // SessionLog { status = START }
    session.add(field: 7, bytes: [1 << 3, 1])
    try append(session)
  }

  /// Later than every existing file, even if the clock was set back or stands still.
  private static func name(in folder: String, wallTime: Double) throws(ShardError) -> String {
    let prefix = "events.out.tfevents."
    var second = Int(wallTime)
    for name in try FileSystem.list(folder, others: .passedOver) where name.hasPrefix(prefix) {
      let digits = name.dropFirst(prefix.count).prefix { $0.isNumber }
      if let taken = Int(digits), taken < 1 << 40 { second = max(second, taken + 1) }
    }
    var host = [CChar](repeating: 0, count: 256)
    gethostname(&host, host.count - 1)
    let hostName = String(decoding: host.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
    return "\(prefix)\(padded(second, 10)).\(hostName.isEmpty ? "host" : hostName).\(getpid()).0"
  }

  /// One event with all the scalars of a step.
  /// - Throws: `ShardError` if the file cannot be written.
  public func add(_ scalars: [StepMetrics.Named], step: Int, wallTime: Double? = nil) throws(ShardError) {
    var summary: [UInt8] = []
    for scalar in scalars {
      var value: [UInt8] = []
      ProtocolBuffer.append(field: 1, bytes: Array(scalar.name.utf8), to: &value)
      ProtocolBuffer.append(field: 2, float: Float(scalar.value), to: &value)
      ProtocolBuffer.append(field: 1, bytes: value, to: &summary)
    }
    var event = Event(wallTime: wallTime ?? wallSeconds(), step: step)
    event.add(field: 5, bytes: summary)
    try append(event)
  }

  private func append(_ event: Event) throws(ShardError) {
    var record: [UInt8] = []
    let length = withUnsafeBytes(of: UInt64(event.bytes.count).littleEndian) { Array($0) }
    record += length
    record += withUnsafeBytes(of: CRC32C.masked(length).littleEndian) { Array($0) }
    record += event.bytes
    record += withUnsafeBytes(of: CRC32C.masked(event.bytes).littleEndian) { Array($0) }
    try file.append(record)
  }
}

/// Event { 1: wall_time, 2: step, 3: file_version, 5: summary, 7: session_log }
private struct Event {
  private(set) var bytes: [UInt8] = []

  init(wallTime: Double, step: Int) {
    ProtocolBuffer.append(field: 1, double: wallTime, to: &bytes)
    ProtocolBuffer.append(field: 2, integer: step, to: &bytes)
  }

  mutating func add(field: Int, bytes inner: [UInt8]) {
    ProtocolBuffer.append(field: field, bytes: inner, to: &bytes)
  }
}

/// The part of the protocol buffers wire format that events need.
private enum ProtocolBuffer {
  private static func append(varint value: UInt64, to out: inout [UInt8]) {
    var rest = value
    while rest >= 128 {
      out.append(UInt8(truncatingIfNeeded: rest) | 128)
      rest >>= 7
    }
    out.append(UInt8(rest))
  }

  private static func append(tag field: Int, wire: UInt64, to out: inout [UInt8]) {
    append(varint: UInt64(field) << 3 | wire, to: &out)
  }

  static func append(field: Int, integer: Int, to out: inout [UInt8]) {
    append(tag: field, wire: 0, to: &out)
    append(varint: UInt64(bitPattern: Int64(integer)), to: &out)
  }

  static func append(field: Int, double: Double, to out: inout [UInt8]) {
    append(tag: field, wire: 1, to: &out)
    withUnsafeBytes(of: double.bitPattern.littleEndian) { out.append(contentsOf: $0) }
  }

  static func append(field: Int, bytes: [UInt8], to out: inout [UInt8]) {
    append(tag: field, wire: 2, to: &out)
    append(varint: UInt64(bytes.count), to: &out)
    out += bytes
  }

  static func append(field: Int, float: Float, to out: inout [UInt8]) {
    append(tag: field, wire: 5, to: &out)
    withUnsafeBytes(of: float.bitPattern.littleEndian) { out.append(contentsOf: $0) }
  }
}
