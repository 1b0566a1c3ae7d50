import Glibc
public import ShardKit

/// A completely downloaded file.
public struct DownloadedFile: Equatable, Sendable {
  public var bytes: Int64
  /// SHA-256 of the content.
  public var digest: Checksum
  public var validators: Validators
  /// The number of bytes from earlier attempts.
  public var resumedBytes: Int64
}

/// The expected digests and size of a file.
public struct DownloadExpectation: Equatable, Sendable {
  public var checksums: [Checksum]
  public var bytes: Int64?

  public init(checksums: [Checksum] = [], bytes: Int64? = nil) {
    self.checksums = checksums
    self.bytes = bytes
  }
}

extension HTTPClient {
  /// Downloads a file to `path`, which appears complete, checked and durable, or not at all.
  ///
  /// The bytes are written to `PATH.partial`, and their validators to `PATH.partial.json`. After a broken connection, a
  /// failure or a kill, the next attempt or call requests the remaining bytes, provided that the resource has not
  /// changed. If it has, the download starts from zero. Both files are removed when the file is complete.
  /// - Throws: `NetError` if the server does not send the expected file, the disk fails, or it is cancelled.
  public func download(
    _ request: HTTPRequest, to path: String, expecting expected: DownloadExpectation = DownloadExpectation()
  ) throws(NetError) -> DownloadedFile {
    var distrusts = false
    return try retrying(options.retrying) { () throws(NetError) in
      if distrusts { try PartialFile.discard(path) }
      distrusts = false
      let partial = try PartialFile(path, request, expecting: expected)
      do throws(NetError) {
        return try attempt(request, partial, expected)
      } catch {
        // A wrong result after resuming may be due to the earlier part: try again from zero.
        guard error.code == .content, partial.resumed > 0 else { throw error }
        distrusts = true
        throw error.transient(status: error.status)
      }
    }
  }

  private func attempt(
    _ request: HTTPRequest, _ partial: PartialFile, _ expected: DownloadExpectation
  ) throws(NetError) -> DownloadedFile {
    var request = request
    // An earlier attempt ended after the last byte but before the rename: there is nothing left to request.
    let isMeant = partial.etag == request.headers["If-Match"] || !expected.checksums.isEmpty
    if partial.resumed > 0, partial.resumed == expected.bytes, isMeant { return try partial.publish(request.url) }
    if let validator = partial.resumable {
      request.headers["Range"] = "bytes=\(partial.bytes)-"
      request.headers["If-Range"] = validator
    }
    let response = try follow(request, to: partial)
    if response.status == 416 { return try complete(response, partial, request) }
    guard response.head.isSuccess else { throw request.refusal?(response) ?? response.refusal() }
    guard response.status == 200 || response.status == 206 else {
      throw NetError(.content, request.url.shown, "the server responded with \(response.head.described) and no file")
    }
    return try partial.publish(request.url)
  }

  /// 416: the range begins at or after the end. If it begins at the end, nothing is missing.
  private func complete(
    _ response: HTTPResponse, _ partial: PartialFile, _ request: HTTPRequest
  ) throws(NetError) -> DownloadedFile {
    guard partial.bytes > 0 else { throw response.refusal() }
    if response.headers["Content-Range"] == "bytes */\(partial.bytes)", response.headers["ETag"] ?? "" == partial.etag {
      return try partial.publish(request.url)
    }
    try partial.restart()
    throw NetError(.content, request.url.shown, "the file is now shorter than the part downloaded before").transient()
  }
}
