/// A server's response.
public struct HTTPResponse: Sendable {
  public struct Head: Equatable, Sendable {
    public var status: Int
    /// The reason phrase of the status line; empty over HTTP/2.
    public var reason: String
    /// `1.0`, `1.1`, `2`.
    public var version: String
    public var headers = HTTPHeaders()

    public var isSuccess: Bool { status / 100 == 2 }
    /// nil if absent or not a number.
    public var contentLength: Int64? { headers["Content-Length"].flatMap { Int64($0) }.flatMap { $0 < 0 ? nil : $0 } }
  }

  public var head: Head
  /// The URL of the response, after redirects.
  public var url: WebURL
  /// The number of redirects.
  public var redirects = 0
  /// Empty if a receiver took it.
  public var body: [UInt8] = []
  /// The body's length, even if a receiver took it.
  public var bytes: Int64 = 0
  /// The IP address of the server or the proxy.
  public var address = ""
  /// The request's head as sent, without credentials.
  public var request = ""

  public var status: Int { head.status }
  public var headers: HTTPHeaders { head.headers }
  public var validators: Validators { Validators(head.headers) }

  /// The response itself if it is a success.
  /// - Throws: `NetError` (`.status`) unless the status is 2xx.
  @discardableResult
  public func checked() throws(NetError) -> HTTPResponse {
    guard head.isSuccess else { throw refusal() }
    return self
  }

  /// The response as an error.
  public func refusal() -> NetError {
    var error = NetError(.status, url.shown, "the server responded with \(head.described)")
    error.status = status
    error.hint =
      switch status {
      case 401, 403: "Check that your credentials allow reading it."
      case 404, 410: "Check the URL; it may have moved."
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

/// Receives a response's body as it arrives.
public protocol ResponseReceiver: AnyObject {
  /// Called with the head of every response that is neither a redirect nor retried.
  /// - Returns: whether to receive the body here; otherwise it is kept in the response.
  /// - Throws: an error that ends the transfer.
  func begin(_ head: HTTPResponse.Head) throws(NetError) -> Bool
  /// Called with each part of the body, in order.
  /// - Throws: an error that ends the transfer.
  func receive(_ bytes: UnsafeRawBufferPointer) throws(NetError)
}
