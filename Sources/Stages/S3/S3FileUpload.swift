import NetKit
import PipelineKit
import ShardKit
import Synchronization

/// Uploads one file to a bucket, in one request or in parts, and no part twice.
struct S3FileUpload: Sendable {
  let item: UploadPlan.Item
  private let place: S3Location
  private let lanes: S3ClientPool
  private let options: S3Upload.Options
  private let state: String
  private let partBytes: Int64

  private var file: ArtifactFile { item.file }
  var isInParts: Bool { file.bytes > partBytes }

  /// - Parameter state: a folder that outlives this attempt.
  init(
    _ item: UploadPlan.Item, to root: S3Location, _ lanes: S3ClientPool, _ options: S3Upload.Options, state: String
  ) {
    self.item = item
    self.lanes = lanes
    self.options = options
    self.state = state
    place = root.appending(item.name)
    // A number of mebibytes large enough to stay within S3's maximum number of parts.
    let least = ((item.file.bytes / Int64(S3Client.mostParts - 1)) >> 20 + 1) << 20
    let wanted = Int64(options.partBytes.bytes)
    partBytes = item.file.bytes / wanted < Int64(S3Client.mostParts) ? wanted : max(wanted, least)
  }

  func run(_ client: S3Client) throws -> UploadRecord {
    try lanes.checkStop()
    guard file.bytes <= S3Client.largestObjectBytes else {
      throw StageError(.input, item.name, "has \(file.bytes) bytes; S3 accepts at most 5 TiB")
    }
    let there = try standing(client)
    if let there, isOurs(there) { return skipped(there) }
    let begun = isInParts ? try takeUp(client) : nil
    if case .made(let object) = begun { return skipped(object) }
    if there != nil, options.upload.existing == .refuse {
      throw StageError(
        .check, "\(place)", "exists with different content",
        hint: "Choose another place, or set \"existing\" to \"replace\".")
    }
    if options.upload.dryRun { return UploadRecord(item, place: place.key, there == nil ? .wouldSend : .wouldReplace) }
    guard try Digester.digest(file: file.path) == file.digest else {
      throw StageError(
        .input, file.path, "has changed since it was written", hint: "Check the store with `pipeline verify`.")
    }
    let etag = isInParts ? try sendParts(begun, client) : try sendWhole(client)
    return UploadRecord(item, place: place.key, etag: etag, .sent)
  }

  /// The object at the place. nil also if that cannot be known: with keys that may not list, a service refuses HEAD
  /// requests for missing objects. The response gives no reason, so a listing is requested.
  private func standing(_ client: S3Client) throws -> S3Object? {
    do { return try client.head(place) } catch {
      let refused = error
      guard refused.status == 403 else { throw refused }
      do { try client.checkListing(place) } catch {
        guard error.isDenied else { throw error }
        guard options.upload.existing == .replace else {
          throw StageError(
            .options, "existing", "cannot check whether \(place) exists: the keys may not list the bucket",
            hint: "Allow s3:ListBucket, or set \"existing\" to \"replace\".")
        }
        return nil
      }
      throw refused
    }
  }

  private func isOurs(_ object: S3Object) -> Bool { object.bytes == file.bytes && object.digest == file.digest }

  private func skipped(_ object: S3Object) -> UploadRecord {
    lanes.control.advance(bytes: Int(file.bytes))
    return UploadRecord(item, place: place.key, etag: object.etag, .skipped)
  }

  private func sendWhole(_ client: S3Client) throws -> String {
    let etag = try client.put(
      place, file: file.path, bytes: file.bytes, digest: file.digest, withChecksum: options.checksums)
    lanes.control.advance(bytes: Int(file.bytes))
    return etag
  }

  // MARK: Parts

  private var partCount: Int { Int((file.bytes + partBytes - 1) / partBytes) }

  private func range(_ number: Int) -> (offset: Int64, bytes: Int64) {
    let offset = Int64(number - 1) * partBytes
    return (offset, min(partBytes, file.bytes - offset))
  }

  private func sendParts(_ begun: Begun?, _ client: S3Client) throws -> String {
    let (log, kept): (PartLog, [Int: S3Part])
    if case .upload(let known, let parts) = begun {
      (log, kept) = (known, parts)
    } else {
      (log, kept) = try begin(client)
    }
    let missing = (1...partCount).filter { kept[$0] == nil }
    lanes.count("keptParts", kept.count)
    lanes.control.advance(bytes: Int(kept.values.reduce(0) { $0 + $1.bytes }))
    let sent = Mutex<[S3Part]>([])
    try send(missing, log) { part in sent.withLock { $0.append(part) } }
    try log.beginCompletion()
    return try client.completeUpload(
      log.upload, place, parts: Array(kept.values) + sent.withLock { $0 }, bytes: file.bytes, digest: file.digest)
  }

  private func send(_ numbers: [Int], _ log: PartLog, _ done: @escaping @Sendable (S3Part) -> Void) throws {
    try lanes.each(numbers.count, atOnce: options.partsAtOnce) { item, client in
      let (offset, bytes) = range(numbers[item])
      let part = try client.upload(
        numbers[item], of: log.upload, place, file: file.path, offset: offset, bytes: bytes,
        digest: try sum(offset, bytes, .sha256), withChecksum: options.checksums)
      try log.add(part)
      done(part)
      lanes.count("sentParts")
      lanes.control.advance(bytes: Int(bytes))
    }
  }

  private var logPath: String { "\(state)/\(Digester.digest(Array(item.name.utf8)).short).jsonl" }

  private var subject: PartLog.Subject {
    PartLog.Subject(
      place: "\(place)", digest: file.digest, partBytes: partBytes, withChecksums: options.checksums)
  }

  /// What an earlier attempt has left.
  private enum Begun {
    /// An upload, with its parts that are verified to be this file's.
    case upload(PartLog, kept: [Int: S3Part])
    /// The finished object: the service completed it after this process was stopped.
    case made(S3Object)
  }

  /// nil if there is nothing to resume.
  private func takeUp(_ client: S3Client) throws -> Begun? {
    var abandoned: String?
    guard let log = try PartLog(logPath, of: subject, abandoned: &abandoned) else {
      if let abandoned, !options.upload.dryRun { try client.abortUpload(abandoned, place) }
      return nil
    }
    guard let there = try client.parts(of: log.upload, place) else {
      guard log.wasCompleting else { return nil }
      return try client.awaitObject(place, bytes: file.bytes, digest: file.digest).map { .made($0) }
    }
    var kept: [Int: S3Part] = [:]
    for part in there where try isOurs(part, known: log.known[part.number]) {
      var part = part
      if options.checksums { part.checksum = part.checksum ?? log.known[part.number]?.checksum }
      kept[part.number] = part
    }
    return .upload(log, kept: kept)
  }

  private func begin(_ client: S3Client) throws -> (PartLog, [Int: S3Part]) {
    let upload = try client.createUpload(place, digest: file.digest, withChecksums: options.checksums)
    return (try PartLog(logPath, upload: upload, of: subject), [:])
  }

  /// Parts on the server are trusted if they agree with its earlier response, or with the file itself: the process may
  /// be killed between a part's arrival and its line in the log.
  private func isOurs(_ part: S3Part, known: S3Part?) throws -> Bool {
    guard (1...partCount).contains(part.number) else { return false }
    let (offset, bytes) = range(part.number)
    guard part.bytes == bytes else { return false }
    if let known, known.bytes == bytes, known.etag == part.etag { return true }
    if let checksum = part.checksum { return try sum(offset, bytes, .sha256).base64 == checksum }
    return try sum(offset, bytes, .md5).hex == part.etag.unquoted
  }

  private func sum(_ offset: Int64, _ bytes: Int64, _ algorithm: Checksum.Algorithm) throws -> Checksum {
    try Checksum.of(file: file.path, algorithm, offset: offset, bytes: bytes)
  }
}

extension Checksum {
  /// Of a range of a file's bytes.
  static func of(file path: String, _ algorithm: Algorithm, offset: Int64, bytes: Int64) throws(ShardError) -> Checksum
  {
    let source = try FileSource(path, offset: offset, length: bytes)
    var sum = Checksummer(algorithm)
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { block.deallocate() }
    while true {
      let count = try source.read(into: block)
      if count == 0 { return sum.finish() }
      sum.update(UnsafeRawBufferPointer(rebasing: block[..<count]))
    }
  }
}

extension String {
  /// An ETag without its quotes, which not all services write.
  var unquoted: String { replacing("\"", with: "") }
}
