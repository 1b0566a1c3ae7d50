/// A request to a server.
public struct HTTPRequest: Sendable {
  public enum Method: String, Sendable {
    case get = "GET"
    case head = "HEAD"
    case put = "PUT"
    case post = "POST"
    case delete = "DELETE"
  }

  public enum Body: Sendable {
    case none
    case bytes([UInt8])
    /// Read while it is sent; never completely in memory.
    case file(path: String, offset: Int64 = 0, length: Int64)

    var count: Int64 {
      switch self {
      case .none: 0
      case .bytes(let bytes): Int64(bytes.count)
      case .file(_, _, let length): length
      }
    }
  }

  /// Keys to sign each attempt of the request with (AWS Signature Version 4). Never part of a message.
  public struct Signing: Sendable {
    public var accessKey: String
    public var secretKey: String
    /// The token of temporary credentials, sent as `x-amz-security-token`.
    public var sessionToken: String?
    public var region: String
    public var service: String

    public init(
      accessKey: String, secretKey: String, sessionToken: String? = nil, region: String, service: String = "s3"
    ) {
      self.accessKey = accessKey
      self.secretKey = secretKey
      self.sessionToken = sessionToken
      self.region = region
      self.service = service
    }
  }

  public var method: Method
  public var url: WebURL
  public var headers = HTTPHeaders()
  public var body = Body.none
  public var signing: Signing?
  /// Larger responses are an error.
  public var maximumBytes = 64 << 20
  /// Requests a compressed response. It is decompressed as it arrives; limits apply to the decompressed size.
  public var acceptsCompressed = false
  /// Whether the request is idempotent. A POST is only retried if this is set.
  public var isRepeatable: Bool
  /// If false, a redirect is returned like any other response.
  public var followsRedirects = true
  /// If true, a response that means "later" is returned with its body like any other, instead of being an error.
  public var returnsEveryStatus = false
  /// How long the server may take without sending a byte of its response. nil: the client's limit.
  public var stallSeconds: Int?
  /// Makes an error from a refusal, for services whose responses say more than their status.
  public var refusal: (@Sendable (HTTPResponse) -> NetError)?

  public init(_ method: Method = .get, _ url: WebURL) {
    self.method = method
    self.url = url
    isRepeatable = method != .post
  }

  /// A request for a URL that is given as text.
  /// - Throws: `NetError` (`.address`) if it is not a valid http or https URL.
  public init(_ method: Method = .get, _ url: String) throws(NetError) { self.init(method, try WebURL(url)) }

  /// Requests the resource only if it has changed from this state; the response may be 304.
  public mutating func unlessStill(_ known: Validators) {
    headers["If-None-Match"] = known.etag
    headers["If-Modified-Since"] = known.lastModified
  }
}
