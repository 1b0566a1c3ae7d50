import Glibc
import ShardKit

/// The location of a record.
public struct WARCLocation: Equatable, Sendable {
  /// The file name within the folder.
  public var file: String
  public var offset: Int64
  /// Compressed.
  public var bytes: Int64
}

/// Appends records to `PREFIX-00000.warc.gz`, `PREFIX-00001.warc.gz`, … in a folder, one gzip member per record.
///
/// A group of records is written at once and synced before `append` returns. After a kill, the last file may end with
/// an incomplete group: opening truncates it after the last complete record.
public final class WARCWriter {
  private let folder: String
  private let prefix: String
  private let maximumFileBytes: Int64
  private let clock: any NetClock
  private var number: Int
  private var descriptor: Int32 = -1
  private var end: Int64 = 0

  /// The current file.
  public var file: String { Self.name(prefix, number) }

  /// - Parameters:
  ///   - sound: lengths up to which files are known to be valid; only later bytes are checked.
  ///   - found: called for each complete record after that, in order.
  /// - Throws: `NetError` (`.storage`) if the files cannot be read or written; what `found` throws.
  public init(
    folder: String, prefix: String, maximumFileBytes: Int64 = 1 << 30, clock: any NetClock = SystemClock(),
    sound: [String: Int64] = [:], found: (WARCRecord, WARCLocation) throws(NetError) -> Void = { _, _ in }
  ) throws(NetError) {
    self.folder = folder
    self.prefix = prefix
    self.maximumFileBytes = maximumFileBytes
    self.clock = clock
    number = 0
    let files = try Self.files(folder: folder, prefix: prefix)
    for name in files {
      let whole = try Self.scan("\(folder)/\(name)", from: sound[name] ?? 0) {
        (record, offset, bytes) throws(NetError) in
        try found(record, WARCLocation(file: name, offset: offset, bytes: bytes))
      }
      if name == files.last { end = whole }
    }
    number = max(0, files.count - 1)
    try open()
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  private static func name(_ prefix: String, _ number: Int) -> String {
    "\(prefix)-\(padded(number, 5)).warc.gz"
  }

  /// The names of the archive's files, in order.
  /// - Throws: nothing now.
  public static func files(folder: String, prefix: String) throws(NetError) -> [String] {
    var names: [String] = []
    while FileSystem.exists("\(folder)/\(name(prefix, names.count))") { names.append(name(prefix, names.count)) }
    return names
  }

  /// Reads complete records from an offset; returns the end of the last one.
  static func scan(
    _ path: String, from start: Int64, _ body: (WARCRecord, Int64, Int64) throws(NetError) -> Void
  ) throws(NetError) -> Int64 {
    let size = FileSystem.status(path)?.bytes ?? 0
    var offset = start
    while offset < size {
      let record: WARCRecord
      let bytes: Int64
      do throws(ShardError) {
        let member = try GzipSource(FileSource(path, offset: offset), readsOneMember: true)
        guard let read = try WARCReader(member).wholeRecord(limit: 1 << 30) else { return offset }
        (record, bytes) = (read, member.consumed)
      } catch {
        if error.code == .truncated || error.code == .malformed { return offset }
        throw NetError(error)
      }
      try body(record, offset, bytes)
      offset += bytes
    }
    return min(offset, size)
  }

  private func open() throws(NetError) {
    if descriptor >= 0 { close(descriptor) }
    let path = "\(folder)/\(file)"
    do throws(ShardError) { try FileSystem.makeDirectory(folder) } catch { throw NetError(error) }
    descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw NetError(FileSystem.error(path, "cannot be written")) }
    guard ftruncate(descriptor, off_t(end)) == 0 else { throw NetError(FileSystem.error(path, "cannot be written")) }
    do throws(ShardError) { try FileSystem.syncDirectory(folder) } catch { throw NetError(error) }
    if end == 0 { _ = try put([information()]) }
  }

  private func information() -> WARCRecord {
    let text = "software: \(HTTPClient.product)\r\nformat: WARC File Format 1.1\r\nrobots: obey\r\n"
    var record = WARCRecord(
      .warcinfo, target: nil, at: clock.wallSeconds, contentType: "application/warc-fields", block: Array(text.utf8))
    record.headers.add("WARC-Filename", file)
    return record
  }

  /// Appends records that belong together; they are always in the same file.
  /// - Throws: `NetError` (`.storage`) if the file cannot be written or synced.
  public func append(_ records: [WARCRecord]) throws(NetError) -> [WARCLocation] {
    if end >= maximumFileBytes {
      number += 1
      end = 0
      try open()
    }
    return try put(records)
  }

  private func put(_ records: [WARCRecord]) throws(NetError) -> [WARCLocation] {
    var bytes: [UInt8] = []
    var locations: [WARCLocation] = []
    for record in records {
      let start = bytes.count
      do throws(ShardError) { bytes += try record.compressed() } catch { throw NetError(error) }
      locations.append(
        WARCLocation(file: file, offset: end + Int64(start), bytes: Int64(bytes.count - start)))
    }
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, off_t(end) + done) }
      if count < 0 {
        if errno == EINTR { continue }
        throw NetError(FileSystem.error("\(folder)/\(file)", "cannot be written"))
      }
      done += count
    }
    guard fsync(descriptor) == 0 else { throw NetError(FileSystem.error("\(folder)/\(file)", "cannot be synced")) }
    end += Int64(bytes.count)
    return locations
  }
}
