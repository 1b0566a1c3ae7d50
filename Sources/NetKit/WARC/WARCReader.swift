import ShardKit

/// Reads records one after another from a stream: gzip by record, gzip as a whole, or plain.
///
/// Nothing is trusted: heads and blocks are bounded, and where the lengths do not fit (as in some of Common Crawl's
/// files) the next line that begins a record is searched. What was passed over is counted.
public final class WARCReader {
  /// Places at which no record could be read, and bytes passed over until the next one.
  public private(set) var malformed = 0
  public private(set) var skippedBytes: Int64 = 0
  /// Records whose block is larger than the limit; they are given without their block.
  public private(set) var tooLarge = 0

  private let source: any ByteSource
  private var buffer: [UInt8] = []
  private var start = 0
  private var isAtEnd = false
  /// A damaged stream ends where the damage begins.
  public private(set) var damage: ShardError?

  private static let maximumHeadBytes = 1 << 20

  private let input = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 64)

  public init(_ source: any ByteSource) { self.source = source }

  deinit { input.deallocate() }

  public convenience init(path: String) throws(ShardError) { self.init(try openSource(path)) }

  /// The next record; nil at the end.
  /// - Parameter limit: blocks with more bytes are passed over; their records have an empty block.
  public func next(limit: Int = 64 << 20) -> WARCRecord? {
    while findRecord() {
      guard let (headers, length) = readHead() else { continue }
      let isTooLarge = length > limit
      if isTooLarge { tooLarge += 1 }
      guard let block = readBlock(length, keeping: !isTooLarge) else {
        malformed += 1
        return nil
      }
      return WARCRecord(headers: headers, block: block)
    }
    return nil
  }

  /// The stream's only record, if it is whole and nothing follows but its end; nil at the end of the stream.
  func wholeRecord(limit: Int) throws(ShardError) -> WARCRecord? {
    let record = next(limit: limit)
    if let damage { throw damage }
    guard let record else {
      guard malformed == 0 else { throw ShardError(.malformed, source.name, "holds no whole record") }
      return nil
    }
    while fill() {}
    if let damage { throw damage }
    guard malformed == 0, skippedBytes == 0, tooLarge == 0, Array(buffer[start...]) == [13, 10, 13, 10] else {
      throw ShardError(.malformed, source.name, "a record's length is not the one it states")
    }
    return record
  }

  // MARK: Finding

  /// Goes to the next `WARC/` at the beginning of a line.
  private func findRecord() -> Bool {
    while true {
      guard let byte = peek() else { return false }
      if byte == 13 || byte == 10 {
        start += 1
      } else if begins("WARC/") {
        return true
      } else {
        malformed += 1
        repeat {
          guard skipLine() else { return false }
        } while !begins("WARC/")
        return true
      }
    }
  }

  private func skipLine() -> Bool {
    while true {
      if let end = buffer[start...].firstIndex(of: 10) {
        skippedBytes += Int64(end + 1 - start)
        start = end + 1
        return true
      }
      skippedBytes += Int64(buffer.count - start)
      start = buffer.count
      guard fill() else { return false }
    }
  }

  private func readHead() -> (HTTPHeaders, Int)? {
    var headers = HTTPHeaders()
    var bytes = 0
    var isFirst = true
    while let line = readLine(limit: Self.maximumHeadBytes - bytes) {
      bytes += line.utf8.count + 2
      if line.isEmpty {
        guard let length = headers["Content-Length"].flatMap({ Int($0) }), length >= 0 else { break }
        headers["Content-Length"] = nil
        return (headers, length)
      }
      if isFirst {
        isFirst = false
      } else if let colon = line.firstIndex(of: ":") {
        let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
        headers.add(String(line[..<colon]), String(value))
      }
    }
    malformed += 1
    return nil
  }

  private func readLine(limit: Int) -> String? {
    var searched = start
    while true {
      if let end = buffer[searched...].firstIndex(of: 10) {
        let isCarriage = end > start && buffer[end - 1] == 13
        let line = String(decoding: buffer[start..<(isCarriage ? end - 1 : end)], as: UTF8.self)
        start = end + 1
        return line
      }
      guard buffer.count - start <= limit else { return nil }
      let unread = buffer.count - start
      guard fill() else { return nil }
      searched = start + unread
    }
  }

  /// nil where the stream ends within the block.
  private func readBlock(_ length: Int, keeping: Bool) -> [UInt8]? {
    var out: [UInt8] = []
    // A length may lie: no more is set aside than has a chance of coming.
    if keeping { out.reserveCapacity(min(length, 1 << 20)) }
    var left = length
    while left > 0 {
      if start == buffer.count, !fill() { return nil }
      let count = min(left, buffer.count - start)
      if keeping { out += buffer[start..<start + count] }
      start += count
      left -= count
    }
    return out
  }

  // MARK: Bytes

  private func peek() -> UInt8? {
    if start == buffer.count, !fill() { return nil }
    return buffer[start]
  }

  private func begins(_ text: StaticString) -> Bool {
    while buffer.count - start < text.utf8CodeUnitCount, fill() {}
    guard buffer.count - start >= text.utf8CodeUnitCount else { return false }
    return (0..<text.utf8CodeUnitCount).allSatisfy { buffer[start + $0] == text.utf8Start[$0] }
  }

  /// More bytes behind those not yet used; false at the end.
  private func fill() -> Bool {
    guard !isAtEnd else { return false }
    if start > 0 {
      buffer.removeSubrange(..<start)
      start = 0
    }
    do throws(ShardError) {
      let count = try source.read(into: input)
      buffer.append(contentsOf: input[..<count])
      isAtEnd = count == 0
    } catch {
      damage = error
      isAtEnd = true
    }
    return !isAtEnd
  }
}
