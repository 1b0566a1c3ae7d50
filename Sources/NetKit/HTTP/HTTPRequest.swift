/// A question to a server.
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
    /// Read as it is sent; never whole in memory.
    case file(path: String, offset: Int64 = 0, length: Int64)

    var count: Int64 {
      switch self {
      case .none: 0
      case .bytes(let bytes): Int64(bytes.count)
      case .file(_, _, let length): length
      }
    }
  }

  /// Keys that the request is signed with (AWS Signature Version 4), anew for each attempt. Never part of a message.
  public struct Signing: Sendable {
    public var accessKey: String
    public var secretKey: String
    /// Of temporary credentials; sent as `x-amz-security-token`.
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
  /// A larger answer is refused.
  public var maximumBytes = 64 << 20
  /// Asks for a compressed answer; it is unpacked as it comes, and its size counts unpacked.
  public var acceptsCompressed = false
  /// Whether asking twice does no more than asking once. A POST is asked again only if this is set.
  public var isRepeatable: Bool
  /// Where false, a redirect is an answer like any other.
  public var followsRedirects = true
  /// How long the server may think without a byte of its answer; nil for what the client allows.
  public var stallSeconds: Int?
  /// Makes an error of an answer that says no, where the service says more in it than its status.
  public var refusal: (@Sendable (HTTPResponse) -> NetError)?

  public init(_ method: Method = .get, _ url: WebURL) {
    self.method = method
    self.url = url
    isRepeatable = method != .post
  }

  public init(_ method: Method = .get, _ url: String) throws(NetError) { self.init(method, try WebURL(url)) }

  /// Asks for the resource only where it is no longer in this state; the answer may be 304.
  public mutating func unlessStill(_ known: Validators) {
    headers["If-None-Match"] = known.etag
    headers["If-Modified-Since"] = known.lastModified
  }
}
