/// A server's answer.
public struct HTTPResponse: Sendable {
  public struct Head: Equatable, Sendable {
    public var status: Int
    /// As on the status line; empty over HTTP/2.
    public var reason: String
    /// `1.0`, `1.1`, `2`.
    public var version: String
    public var headers = HTTPHeaders()

    public var isSuccess: Bool { status / 100 == 2 }
    /// nil where absent or no number.
    public var contentLength: Int64? { headers["Content-Length"].flatMap { Int64($0) }.flatMap { $0 < 0 ? nil : $0 } }
  }

  public var head: Head
  /// Where the answer came from, after redirects.
  public var url: WebURL
  /// How many redirects led there.
  public var redirects = 0
  /// Empty where a receiver took it.
  public var body: [UInt8] = []
  /// The body's length, whoever took it.
  public var bytes: Int64 = 0
  /// The server's address, or the proxy's.
  public var address = ""
  /// The request's head as it was sent, without credentials.
  public var request = ""

  public var status: Int { head.status }
  public var headers: HTTPHeaders { head.headers }
  public var validators: Validators { Validators(head.headers) }

  /// Throws for any status but 2xx.
  @discardableResult
  public func checked() throws(NetError) -> HTTPResponse {
    guard head.isSuccess else { throw refusal() }
    return self
  }

  /// The answer as an error.
  public func refusal() -> NetError {
    var error = NetError(.status, url.shown, "the server answered \(head.described)")
    error.status = status
    error.hint =
      switch status {
      case 401, 403: "Check that you may read it, and with which credentials."
      case 404, 410: "Check the address; it may have moved."
      default: nil
      }
    return error
  }
}

extension HTTPResponse.Head {
  /// `404 (Not Found)`.
  var described: String {
    let shown = reason.unicodeScalars.filter { $0.value >= 32 && $0.value != 127 }.prefix(60)
    return shown.isEmpty ? "\(status)" : "\(status) (\(String(String.UnicodeScalarView(shown))))"
  }
}

/// Takes an answer's body as it comes.
public protocol ResponseReceiver: AnyObject {
  /// Called with the head of every answer that is neither a redirect nor asked again.
  /// - Returns: whether the body is wanted here; else it is kept in the response.
  func begin(_ head: HTTPResponse.Head) throws(NetError) -> Bool
  func receive(_ bytes: UnsafeRawBufferPointer) throws(NetError)
}
