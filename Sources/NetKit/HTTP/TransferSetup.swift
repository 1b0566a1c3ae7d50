import CCurl
import Glibc

/// Sets a request's options on a libcurl handle, and converts libcurl's codes to messages.
final class TransferSetup {
  private let request: HTTPRequest
  private let options: HTTPClient.Options
  private let headers: HTTPHeaders
  private let proxy: String?
  /// The address of the connection.
  private(set) var address = ""
  private var list: UnsafeMutablePointer<curl_slist>?
  private let reason = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

  init(
    _ request: HTTPRequest, options: HTTPClient.Options, userAgent: String, proxy: String?
  ) throws(NetError) {
    self.request = request
    var options = options
    if let seconds = request.stallSeconds { options.stallSeconds = seconds }
    self.options = options
    self.proxy = proxy
    var headers = request.headers
    headers["User-Agent"] = headers["User-Agent"] ?? userAgent
    self.headers = headers
    reason.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    guard headers.isWellFormed else {
      throw NetError(
        .address, request.url.shown, "a header of the request contains a line break or another control character")
    }
    for field in headers.fields {
      // An empty value is written with a semicolon; a colon would remove the field.
      list = ccurl_slist_append(list, field.value.isEmpty ? "\(field.name);" : "\(field.name): \(field.value)")
    }
    // libcurl would wait one second for servers without support for it.
    if headers["Expect"] == nil { list = ccurl_slist_append(list, "Expect:") }
    if request.method == .post && headers["Content-Type"] == nil { list = ccurl_slist_append(list, "Content-Type:") }
  }

  deinit {
    ccurl_slist_free_all(list)
    reason.deallocate()
  }

  func run(_ transfer: Transfer, on handle: OpaquePointer, stallRate: Int?) -> CURLcode {
    let curl = UnsafeMutableRawPointer(handle)
    ccurl_easy_reset(curl)
    // Credentials must not stay in the handle after the transfer.
    defer { ccurl_easy_reset(curl) }
    let code = transfer.perform(handle) { callbacks, context in
      let steps = [
        setConnection(curl, stallRate), setRequest(curl), setCredentials(curl),
        ccurl_set_callbacks(curl, callbacks, context),
      ]
      return steps.first { $0 != CURLE_OK } ?? CURLE_OK
    }
    address = String(cString: ccurl_get_text(curl, CURLINFO_PRIMARY_IP))
    return code
  }

  private func setConnection(_ curl: UnsafeMutableRawPointer, _ bandwidth: Int?) -> CURLcode {
    // A bandwidth limit must not look like a stall.
    let slowest = min(options.stallBytesPerSecond, bandwidth.map { max(1, $0 / 8) } ?? .max)
    var codes = [
      ccurl_set_pointer(curl, CURLOPT_ERRORBUFFER, reason),
      ccurl_set_long(curl, CURLOPT_NOSIGNAL, 1),
      ccurl_set_text(curl, CURLOPT_PROTOCOLS_STR, "http,https"),
      ccurl_set_long(curl, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS)),
      ccurl_set_long(curl, CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2)),
      ccurl_set_long(curl, CURLOPT_SSL_VERIFYPEER, 1),
      ccurl_set_long(curl, CURLOPT_SSL_VERIFYHOST, 2),
      ccurl_set_long(curl, CURLOPT_CONNECTTIMEOUT_MS, Int(options.connectSeconds * 1000)),
      ccurl_set_long(curl, CURLOPT_TIMEOUT_MS, Int(min(options.wholeSeconds, 2e9) * 1000)),
      ccurl_set_long(curl, CURLOPT_LOW_SPEED_LIMIT, slowest),
      ccurl_set_long(curl, CURLOPT_LOW_SPEED_TIME, options.stallSeconds),
      ccurl_set_long(curl, CURLOPT_TCP_KEEPALIVE, 1),
      ccurl_set_long(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1),
      ccurl_set_text(curl, CURLOPT_PROXY, proxy ?? ""),
      ccurl_set_text(curl, CURLOPT_NOPROXY, ""),
    ]
    if let certificates = options.certificates ?? TrustedCertificates.file {
      codes.append(ccurl_set_text(curl, CURLOPT_CAINFO, certificates))
    }
    return codes.first { $0 != CURLE_OK } ?? CURLE_OK
  }

  private func setRequest(_ curl: UnsafeMutableRawPointer) -> CURLcode {
    var codes = [
      ccurl_set_text(curl, CURLOPT_URL, request.url.text),
      ccurl_set_list(curl, CURLOPT_HTTPHEADER, list),
    ]
    if request.acceptsCompressed { codes.append(ccurl_set_text(curl, CURLOPT_ACCEPT_ENCODING, "gzip")) }
    switch request.method {
    case .get: codes.append(ccurl_set_long(curl, CURLOPT_HTTPGET, 1))
    case .head: codes.append(ccurl_set_long(curl, CURLOPT_NOBODY, 1))
    case .put:
      codes.append(ccurl_set_long(curl, CURLOPT_UPLOAD, 1))
      codes.append(ccurl_set_offset(curl, CURLOPT_INFILESIZE_LARGE, curl_off_t(request.body.count)))
    case .post:
      codes.append(ccurl_set_long(curl, CURLOPT_POST, 1))
      codes.append(ccurl_set_offset(curl, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(request.body.count)))
    case .delete: codes.append(ccurl_set_text(curl, CURLOPT_CUSTOMREQUEST, "DELETE"))
    }
    return codes.first { $0 != CURLE_OK } ?? CURLE_OK
  }

  private func setCredentials(_ curl: UnsafeMutableRawPointer) -> CURLcode {
    guard request.signing == nil else { return CURLE_OK }
    guard let user = request.url.user else { return CURLE_OK }
    let code = ccurl_set_text(curl, CURLOPT_USERNAME, user)
    return code == CURLE_OK ? ccurl_set_text(curl, CURLOPT_PASSWORD, request.url.password ?? "") : code
  }

  // MARK: Sent request

  /// The request's head for an archive, without credentials.
  func sentHead(_ request: HTTPRequest) -> String {
    var out =
      "\(request.method.rawValue) \(request.url.target) HTTP/1.1\r\nHost: \(request.url.origin.split(separator: "/").last!)\r\n"
    for field in headers.fields where !Self.secretFields.contains(field.name.lowercased()) {
      out += "\(field.name): \(field.value)\r\n"
    }
    return out + "\r\n"
  }

  private static let secretFields = ["authorization", "proxy-authorization", "cookie", "x-amz-security-token"]

  // MARK: Errors

  func error(_ code: CURLcode, _ url: WebURL, received: Int64, _ options: HTTPClient.Options) -> NetError {
    let where_ = url.shown
    func transient(_ message: String) -> NetError { NetError(.connection, where_, message).transient() }
    switch code {
    case CURLE_COULDNT_RESOLVE_HOST: return transient("the host name \(url.host) cannot be resolved").unsent()
    case CURLE_COULDNT_RESOLVE_PROXY: return transient("the proxy's host name cannot be resolved").unsent()
    case CURLE_COULDNT_CONNECT: return transient("no connection to \(url.host) on port \(url.port)").unsent()
    case CURLE_OPERATION_TIMEDOUT where isConnecting:
      return transient("no connection within \(shortest(options.connectSeconds)) seconds").unsent()
    case CURLE_OPERATION_TIMEDOUT: return transient(timedOut(received))
    case CURLE_PARTIAL_FILE: return transient("the response ended after \(received) bytes, before its stated length")
    case CURLE_GOT_NOTHING: return transient("the server closed the connection without a response")
    case CURLE_RECV_ERROR, CURLE_SEND_ERROR:
      return transient("the connection broke after \(received) bytes of the response")
    case CURLE_HTTP2, CURLE_HTTP2_STREAM, CURLE_SSL_CONNECT_ERROR:
      return transient("the connection failed (\(text(code)))")
    case CURLE_PEER_FAILED_VERIFICATION:
      return NetError(
        .connection, where_, "the server's certificate cannot be verified (\(text(code)))",
        hint: options.certificates == nil && TrustedCertificates.file == nil
          ? "This machine has no trusted certificates. \(TrustedCertificates.remedy)"
          : "The connection may be intercepted. If the server is yours, trust its certificate authority.")
    case CURLE_SSL_CACERT_BADFILE:
      return NetError(
        .connection, options.certificates ?? TrustedCertificates.file ?? "", "the trusted certificates cannot be read",
        hint: TrustedCertificates.remedy)
    case CURLE_ABORTED_BY_CALLBACK:
      return NetError(.storage, where_, "the data to send could not be read to its end")
    case CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL, CURLE_BAD_CONTENT_ENCODING:
      return NetError(.content, where_, "the server's response is malformed (\(text(code)))")
    default: return NetError(.connection, where_, "the transfer failed (\(text(code)))")
    }
  }

  /// Whether a time limit was over before there was a connection.
  private var isConnecting: Bool {
    let text = String(cString: reason)
    return text.hasPrefix("Connection") || text.hasPrefix("Failed to connect") || text.contains("SSL connection")
  }

  private func timedOut(_ received: Int64) -> String {
    let text = String(cString: reason)
    if text.contains("too slow") {
      return "fewer than \(options.stallBytesPerSecond) bytes per second arrived for \(options.stallSeconds) seconds"
    }
    return "the response was not complete after \(shortest(options.wholeSeconds)) seconds (\(received) bytes arrived)"
  }

  private func shortest(_ seconds: Double) -> String { seconds == seconds.rounded() ? "\(Int(seconds))" : "\(seconds)" }

  /// libcurl's message. It never contains credentials, or more of the URL than the host.
  private func text(_ code: CURLcode) -> String {
    let own = String(cString: reason)
    return own.isEmpty ? String(cString: ccurl_easy_strerror(code)) : own
  }
}
