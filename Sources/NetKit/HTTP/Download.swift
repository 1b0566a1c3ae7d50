import Glibc
public import ShardKit

/// A file that was fetched whole.
public struct DownloadedFile: Equatable, Sendable {
  public var bytes: Int64
  /// SHA-256 of the content.
  public var digest: Checksum
  public var validators: Validators
  /// Of the bytes, how many an earlier attempt had left.
  public var resumedBytes: Int64
}

/// What a file to fetch should be.
public struct DownloadExpectation: Equatable, Sendable {
  public var checksums: [Checksum]
  public var bytes: Int64?

  public init(checksums: [Checksum] = [], bytes: Int64? = nil) {
    self.checksums = checksums
    self.bytes = bytes
  }
}

extension HTTPClient {
  /// Fetches a file to `path`, which appears whole, checked and durable, or not at all.
  ///
  /// The bytes go to `PATH.partial`, with their validators in `PATH.partial.json`. After a broken connection, a failure
  /// or a kill the next attempt or call asks for the rest, under the condition that the resource is still the same;
  /// where it is not, it begins at zero. Both files go when the file is whole.
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
        // What was put together from parts may be wrong where the parts are: once more, from zero.
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
    // An attempt before ended between the last byte and the name: there is nothing left to ask for.
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
      throw NetError(.content, request.url.shown, "the server answered \(response.head.described), which holds no file")
    }
    return try partial.publish(request.url)
  }

  /// 416: the range begins at or behind the end. At the end means that nothing is missing.
  private func complete(
    _ response: HTTPResponse, _ partial: PartialFile, _ request: HTTPRequest
  ) throws(NetError) -> DownloadedFile {
    guard partial.bytes > 0 else { throw response.refusal() }
    if response.headers["Content-Range"] == "bytes */\(partial.bytes)", response.headers["ETag"] ?? "" == partial.etag {
      return try partial.publish(request.url)
    }
    try partial.restart()
    throw NetError(.content, request.url.shown, "the file has become shorter than the part fetched before").transient()
  }
}
