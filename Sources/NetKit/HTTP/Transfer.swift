import CCurl
import Glibc

/// One request and its response on a libcurl handle, without redirects and retries. Callbacks run within `perform`.
final class Transfer {
  struct Limits {
    var maximumBytes: Int
    var allowsSpecialAddresses: Bool
    /// Not checked behind a proxy: its owner is responsible for addresses.
    var isProxied: Bool
  }

  private let shown: String
  private let limits: Limits
  private let receiver: (any ResponseReceiver)?
  private let spend: (Int) -> Void
  private let isCancelled: () -> Bool
  private let body: RequestBody
  /// Whether a response with this head is received: not a redirect, and not one that will be retried.
  private let isFinal: (HTTPResponse.Head) -> Bool

  private(set) var head = HTTPResponse.Head(status: 0, reason: "", version: "")
  private(set) var bytes: [UInt8] = []
  private(set) var count: Int64 = 0
  /// The error in a callback; libcurl only reports that a callback stopped it.
  private(set) var problem: NetError?
  /// The last refused address and its kind.
  private(set) var refused: (address: String, kind: String)?
  private var headBytes = 0
  private var headIsComplete = false
  private var goesToReceiver = false

  init(
    _ request: HTTPRequest, limits: Limits, receiver: (any ResponseReceiver)?,
    spend: @escaping (Int) -> Void, isCancelled: @escaping () -> Bool,
    isFinal: @escaping (HTTPResponse.Head) -> Bool
  ) throws(NetError) {
    shown = request.url.shown
    self.limits = limits
    self.receiver = receiver
    self.spend = spend
    self.isCancelled = isCancelled
    self.isFinal = isFinal
    body = try RequestBody(request.body)
  }

  private static let maximumHeadBytes = 256 << 10
  /// Maximum bytes to read of a response that is not received.
  private static let maximumRefusalBytes = 1 << 20

  /// Runs the transfer on a handle whose other options are set.
  func perform(_ handle: OpaquePointer, _ set: (ccurl_callbacks, UnsafeMutableRawPointer) -> CURLcode) -> CURLcode {
    let callbacks = ccurl_callbacks(
      header: { bytes, size, count, context in
        Transfer.of(context).guarding(size * count) { transfer throws(NetError) in
          try transfer.takeHeader(UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
      },
      write: { bytes, size, count, context in
        Transfer.of(context).guarding(size * count) { transfer throws(NetError) in
          try transfer.takeBody(UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
      },
      read: { bytes, size, count, context in
        let transfer = Transfer.of(context)
        if transfer.isCancelled() { return Int(CURL_READFUNC_ABORT) }
        let read = transfer.body.read(into: UnsafeMutableRawBufferPointer(start: bytes, count: size * count))
        guard let read else { return Int(CURL_READFUNC_ABORT) }
        transfer.spend(read)
        return read
      },
      seek: { context, offset, origin in
        guard origin == SEEK_SET else { return Int32(CURL_SEEKFUNC_CANTSEEK) }
        Transfer.of(context).body.position = Int64(offset)
        return Int32(CURL_SEEKFUNC_OK)
      },
      progress: { context, _, _, _, _ in Transfer.of(context).isCancelled() ? 1 : 0 },
      socket: { context, _, address in Transfer.of(context).open(address!) })
    let context = Unmanaged.passUnretained(self).toOpaque()
    let code = set(callbacks, context)
    guard code == CURLE_OK else { return code }
    return withoutPipeSignal { ccurl_easy_perform(UnsafeMutableRawPointer(handle)) }
  }

  private static func of(_ context: UnsafeMutableRawPointer?) -> Transfer {
    Unmanaged<Transfer>.fromOpaque(context!).takeUnretainedValue()
  }

  /// Runs a callback's work; 0 makes libcurl stop, and `problem` gives the reason.
  private func guarding(_ count: Int, _ body: (Transfer) throws(NetError) -> Void) -> Int {
    do throws(NetError) {
      if isCancelled() { throw NetError.stopped }
      try body(self)
      return count
    } catch {
      problem = problem ?? error
      return count == 0 ? 1 : 0
    }
  }

  // MARK: Head

  private func takeHeader(_ line: UnsafeRawBufferPointer) throws(NetError) {
    // Trailer fields are not needed.
    guard !headIsComplete else { return }
    headBytes += line.count
    guard headBytes <= Self.maximumHeadBytes else {
      throw NetError(.content, shown, "the head of the response has more than \(Self.maximumHeadBytes) bytes")
    }
    var end = line.count
    while end > 0, line[end - 1] == 13 || line[end - 1] == 10 { end -= 1 }
    let text = String(decoding: line[..<end], as: UTF8.self)
    if text.hasPrefix("HTTP/") {
      let parts = text.dropFirst(5).split(separator: " ", maxSplits: 2)
      head = HTTPResponse.Head(
        status: parts.count > 1 ? Int(parts[1]) ?? 0 : 0, reason: parts.count > 2 ? String(parts[2]) : "",
        version: String(parts.first ?? ""))
    } else if text.isEmpty {
      if head.status >= 200 { try completeHead() }
    } else if let colon = text.firstIndex(of: ":") {
      let value = text[text.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
      head.headers.add(String(text[..<colon]), String(value))
    }
  }

  private func completeHead() throws(NetError) {
    headIsComplete = true
    guard isFinal(head) else { return }
    if let receiver { goesToReceiver = try receiver.begin(head) }
    let limit = bodyLimit
    guard head.status != 304, let length = head.contentLength, length > limit else { return }
    throw tooLarge("\(length) bytes", limit)
  }

  /// If the receiver declines the body, the response is a refusal, which is kept in memory.
  private var bodyLimit: Int {
    goesToReceiver || receiver == nil ? limits.maximumBytes : min(limits.maximumBytes, Self.maximumRefusalBytes)
  }

  private func tooLarge(_ size: String, _ limit: Int) -> NetError {
    NetError(
      .content, shown, "the response has \(size); the limit is \(limit)",
      hint: "Raise the limit if this size is expected.")
  }

  // MARK: Body

  private func takeBody(_ part: UnsafeRawBufferPointer) throws(NetError) {
    spend(part.count)
    guard headIsComplete, isFinal(head) else {
      // The body of a redirect or of a response that is retried: read a little to keep the connection.
      count += Int64(part.count)
      if count > Int64(Self.maximumRefusalBytes) { throw tooLarge("too many bytes", Self.maximumRefusalBytes) }
      return
    }
    count += Int64(part.count)
    guard count <= Int64(bodyLimit) else { throw tooLarge("too many bytes", bodyLimit) }
    if goesToReceiver { try receiver!.receive(part) } else { bytes.append(contentsOf: part) }
  }

  // MARK: Address

  /// Checks the actual address of the connection, so that changing a DNS name after a check has no effect.
  private func open(_ address: UnsafeMutablePointer<curl_sockaddr>) -> curl_socket_t {
    if !limits.allowsSpecialAddresses && !limits.isProxied {
      var raw = [UInt8](repeating: 0, count: 16)
      let length = ccurl_address_bytes(address, &raw)
      guard let network = NetworkAddress(Array(raw[..<length])) else { return -1 }
      if let kind = network.special {
        refused = (network.text, kind)
        return -1
      }
    }
    let kind = address.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue)
    return socket(address.pointee.family, kind, address.pointee.protocol)
  }
}

/// Runs `body` with SIGPIPE blocked: a connection that the server closes must not end the process.
private func withoutPipeSignal<T>(_ body: () -> T) -> T {
  var pipe = sigset_t()
  var before = sigset_t()
  sigemptyset(&pipe)
  sigaddset(&pipe, SIGPIPE)
  pthread_sigmask(SIG_BLOCK, &pipe, &before)
  defer {
    var none = timespec()
    while sigtimedwait(&pipe, nil, &none) > 0 {}
    pthread_sigmask(SIG_SETMASK, &before, nil)
  }
  return body()
}

/// A request's body, read in pieces and from any position.
final class RequestBody {
  private let body: HTTPRequest.Body
  private let descriptor: Int32
  var position: Int64 = 0

  init(_ body: HTTPRequest.Body) throws(NetError) {
    self.body = body
    guard case .file(let path, _, _) = body else {
      descriptor = -1
      return
    }
    descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw NetError(.storage, path, "cannot be opened: \(String(cString: strerror(errno)))")
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// nil if the file cannot be read or has become shorter.
  func read(into buffer: UnsafeMutableRawBufferPointer) -> Int? {
    let wanted = Int(min(Int64(buffer.count), body.count - position))
    guard wanted > 0 else { return 0 }
    switch body {
    case .none: return 0
    case .bytes(let bytes):
      buffer.copyBytes(from: bytes[Int(position)..<Int(position) + wanted])
      position += Int64(wanted)
      return wanted
    case .file(_, let offset, _):
      let count = pread(descriptor, buffer.baseAddress, wanted, off_t(offset + position))
      guard count > 0 else { return nil }
      position += Int64(count)
      return count
    }
  }
}
