import MarkupKit
public import ShardKit

/// The location of buckets and the keys for requests. Shared by all clients.
public struct S3Access: Sendable {
  public let endpoint: S3Endpoint
  /// nil: unsigned requests.
  public let credentials: CredentialChain?
  /// Agrees to pay for requests to buckets that require it.
  public let paysForRequests: Bool

  public init(_ endpoint: S3Endpoint, _ credentials: CredentialChain?, paysForRequests: Bool = false) {
    self.endpoint = endpoint
    self.credentials = credentials
    self.paysForRequests = paysForRequests
  }
}

/// An object as a HEAD response describes it.
public struct S3Object: Equatable, Sendable {
  public var bytes: Int64
  public var etag: String
  /// `x-amz-meta-sha256`, which pipeline writes: the SHA-256 of the complete content.
  public var digest: Digest?
  /// Whether it is encrypted with custom keys. If not, an ETag of 32 digits is the content's MD5.
  public var isEncryptedElsewhere: Bool
}

/// A client of Amazon S3 or an S3-compatible service (API version 2006-03-01). Used by one thread at a time.
///
/// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
public final class S3Client {
  public let http: HTTPClient
  public let access: S3Access

  public init(_ http: HTTPClient, _ access: S3Access) {
    self.http = http
    self.access = access
  }

  static let digestField = "x-amz-meta-sha256"

  // MARK: Sending

  /// Sends a signed request. A refusal is an error; transient errors are retried.
  func ask(
    _ method: HTTPRequest.Method, _ place: S3Location, query: [(name: String, value: String?)] = [],
    headers: KeyValuePairs<String, String> = [:], body: HTTPRequest.Body = .none, maximumBytes: Int = 64 << 20
  ) throws(NetError) -> HTTPResponse {
    var request = HTTPRequest(method, try access.endpoint.url(place, query: query))
    for (name, value) in headers { request.headers[name] = value }
    request.body = body
    request.maximumBytes = maximumBytes
    request.followsRedirects = false
    // Completing an object from its parts may take minutes.
    if method == .post { request.stallSeconds = 600 }
    return try signing(request, place) { (request) throws(NetError) in
      try http.retrying(http.options.retrying) { () throws(NetError) in
        let answer = try http.follow(request, to: nil)
        // A completion may fail after its response has begun. An object's content may look like an error.
        guard answer.head.isSuccess, method != .post || !Self.isError(answer.body) else {
          throw request.refusal!(answer)
        }
        return answer
      }
    }
  }

  /// Signs a request, and once more with new keys if these have expired.
  private func signing<T>(
    _ request: HTTPRequest, _ place: S3Location, _ body: (HTTPRequest) throws(NetError) -> T
  ) throws(NetError) -> T {
    var request = request
    if access.paysForRequests { request.headers["x-amz-request-payer"] = "requester" }
    guard let chain = access.credentials else {
      request.refusal = refusing(place, nil)
      return try body(request)
    }
    var expired: S3Credentials?
    while true {
      let keys = try chain.credentials(isCancelled: http.isCancelled)
      request.signing = HTTPRequest.Signing(
        accessKey: keys.accessKey, secretKey: keys.secretKey, sessionToken: keys.sessionToken,
        region: access.endpoint.region)
      request.refusal = refusing(place, keys)
      do throws(NetError) { return try body(request) } catch {
        guard error.hasExpired, expired != keys else { throw error }
        chain.forget(keys)
        expired = keys
      }
    }
  }

  private func refusing(_ place: S3Location, _ keys: S3Credentials?) -> @Sendable (HTTPResponse) -> NetError {
    { [endpoint = access.endpoint] answer in S3ErrorResponse(answer, place, endpoint, keys).error }
  }

  private static func isError(_ body: [UInt8]) -> Bool {
    body.count < 1 << 16 && body.first == UInt8(ascii: "<") && XMLElement(body)?.name == "Error"
  }

  // MARK: Objects

  /// nil if there is no such object (or no such bucket: a HEAD response does not tell which).
  /// - Throws: `NetError` without keys (`.storage`) or connection, or if S3 refuses (`.status`); 404 is no error.
  public func head(_ place: S3Location) throws(NetError) -> S3Object? {
    let answer: HTTPResponse
    do throws(NetError) {
      // The length in a HEAD response is not the length of the response.
      answer = try ask(.head, place, maximumBytes: .max)
    } catch {
      if error.status == 404 { return nil }
      throw error
    }
    let encryption = answer.headers["x-amz-server-side-encryption"]
    return S3Object(
      bytes: answer.head.contentLength ?? -1, etag: answer.headers["ETag"] ?? "",
      digest: answer.headers[Self.digestField].flatMap { Digest(hex: $0.lowercased()) },
      isEncryptedElsewhere: encryption != nil && encryption != "AES256"
        || answer.headers["x-amz-server-side-encryption-customer-algorithm"] != nil)
  }

  /// The content of a small object.
  /// - Throws: `NetError` without keys (`.storage`) or connection, or if S3 refuses (`.status`); `.content` if larger.
  public func get(_ place: S3Location, maximumBytes: Int) throws(NetError) -> [UInt8] {
    // An error response may be longer than the object.
    let answer = try ask(.get, place, maximumBytes: max(maximumBytes, 1 << 16))
    guard answer.body.count <= maximumBytes else {
      throw NetError(.content, "\(place)", "has \(answer.body.count) bytes; the limit is \(maximumBytes)")
    }
    return answer.body
  }

  /// Downloads an object to a file like `HTTPClient.download`: resumed by range requests, complete or not at all.
  /// - Parameter etag: the expected version; another one is an error.
  /// - Throws: `NetError` without connection or keys (`.storage`), if S3 refuses (`.status`), or the content differs.
  public func download(
    _ place: S3Location, to path: String, etag: String? = nil, maximumBytes: Int64 = .max,
    expecting expected: DownloadExpectation = DownloadExpectation()
  ) throws(NetError) -> DownloadedFile {
    var request = HTTPRequest(.get, try access.endpoint.url(place))
    request.maximumBytes = Int(maximumBytes)
    request.followsRedirects = false
    request.headers["If-Match"] = etag
    return try signing(request, place) { (request) throws(NetError) in
      try http.download(request, to: path, expecting: expected)
    }
  }

  /// Uploads a file's content under a key in one request.
  /// - Parameters:
  ///   - digest: of the content; the server refuses content with another one.
  ///   - withChecksum: has the server check and store `x-amz-checksum-sha256`.
  /// - Returns: the ETag.
  /// - Throws: `NetError` without connection or keys (`.storage`), if S3 refuses (`.status`), or reading fails.
  @discardableResult
  public func put(
    _ place: S3Location, file path: String, bytes: Int64, digest: Digest, withChecksum: Bool = true
  ) throws(NetError) -> String {
    var headers: KeyValuePairs = [RequestSignature.bodyDigestField: digest.hex, Self.digestField: digest.hex]
    if withChecksum, let sum = Checksum(.sha256, hex: digest.hex) {
      headers = [
        RequestSignature.bodyDigestField: digest.hex, Self.digestField: digest.hex,
        "x-amz-checksum-sha256": sum.base64, "x-amz-sdk-checksum-algorithm": "SHA256",
      ]
    }
    let body: HTTPRequest.Body = bytes == 0 ? .bytes([]) : .file(path: path, length: bytes)
    return try ask(.put, place, headers: headers, body: body).headers["ETag"] ?? ""
  }
}
