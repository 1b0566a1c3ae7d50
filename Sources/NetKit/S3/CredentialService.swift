import ShardKit

/// The services that provide the keys of a machine's or container's role.
struct CredentialService {
  private let environment: EnvironmentReading
  private let isCancelled: () -> Bool

  init(environment: @escaping EnvironmentReading, isCancelled: @escaping () -> Bool) {
    self.environment = environment
    self.isCancelled = isCancelled
  }

  /// Short timeouts, because these services respond at once or do not exist.
  private func client() throws(NetError) -> HTTPClient {
    var options = HTTPClient.Options()
    options.connectSeconds = 1
    options.wholeSeconds = 5
    options.maximumRedirects = 0
    options.retrying.attempts = 3
    options.retrying.firstWaitSeconds = 0.2
    options.allowsSpecialAddresses = true
    options.usesProxies = false
    return try HTTPClient(options, isCancelled: isCancelled)
  }

  private func request(_ method: HTTPRequest.Method, _ url: String) throws(NetError) -> HTTPRequest {
    var request = try HTTPRequest(method, url)
    request.maximumBytes = 1 << 16
    return request
  }

  // MARK: Container

  /// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
  func containerCredentials() throws(NetError) -> S3Credentials? {
    let relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    guard let url = relative.map({ "http://169.254.170.2\($0)" }) ?? environment("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    else { return nil }
    var request = try request(.get, url)
    guard request.url.scheme == "https" || Self.isNear(request.url.host) else {
      throw NetError(
        .address, request.url.shown, "keys would be sent over unencrypted http by another machine",
        hint: "Check AWS_CONTAINER_CREDENTIALS_FULL_URI.")
    }
    if let path = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
      do throws(ShardError) {
        let token = String(decoding: try FileSystem.read(path, limit: 1 << 16), as: UTF8.self)
        request.headers["Authorization"] = token.filter { !$0.isNewline }
      } catch { throw NetError(error) }
    } else if let token = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN") {
      request.headers["Authorization"] = token
    }
    return try Self.read(client().send(request).checked(), of: request.url)
  }

  private static func isNear(_ host: String) -> Bool {
    let services = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"]
    return host == "localhost" || services.contains(host) || NetworkAddress(host)?.special == "loopback"
  }

  // MARK: Instance

  /// The keys of the machine's role from IMDSv2; nil if there is no such service or no role.
  /// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
  func roleCredentials() throws(NetError) -> S3Credentials? {
    guard environment("AWS_EC2_METADATA_DISABLED")?.lowercased() != "true" else { return nil }
    let named = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT")
    var origin = named ?? "http://169.254.169.254"
    while origin.hasSuffix("/") { origin.removeLast() }
    let client = try client()
    var asking = try request(.put, origin + "/latest/api/token")
    asking.headers["x-aws-ec2-metadata-token-ttl-seconds"] = "300"
    let token: String
    do throws(NetError) {
      // Most machines have no such service, so one attempt is enough, unless it was configured.
      let answer = named == nil ? try client.follow(asking, to: nil) : try client.send(asking)
      guard answer.head.isSuccess else { return nil }
      token = String(decoding: answer.body, as: UTF8.self)
    } catch {
      guard named == nil, error.code == .connection else { throw error }
      return nil
    }
    let folder = origin + "/latest/meta-data/iam/security-credentials/"
    guard let role = try get(folder, token, client) else { return nil }
    let name =
      String(decoding: role.body, as: UTF8.self).split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
    guard let answer = try get(folder + PercentEncoding.encode(name), token, client) else { return nil }
    return try Self.read(answer, of: answer.url)
  }

  private func get(_ url: String, _ token: String, _ client: HTTPClient) throws(NetError) -> HTTPResponse? {
    var request = try request(.get, url)
    request.headers["x-aws-ec2-metadata-token"] = token
    let answer = try client.send(request)
    return answer.status == 404 ? nil : try answer.checked()
  }

  // MARK: Responses

  private static func read(_ answer: HTTPResponse, of url: WebURL) throws(NetError) -> S3Credentials {
    let json = try? JSONValue.parse(answer.body).value
    guard let access = json?["AccessKeyId"]?.string, let secret = json?["SecretAccessKey"]?.string else {
      throw NetError(.content, url.shown, "the response contains no keys")
    }
    let expires = json?["Expiration"]?.string.flatMap(seconds(since1970:))
    return S3Credentials(accessKey: access, secretKey: secret, sessionToken: json?["Token"]?.string, expires: expires)
  }

  /// `2026-01-31T23:59:59Z`.
  static func seconds(since1970 text: String) -> Int? {
    let numbers = text.split { !$0.isASCII || !$0.isNumber }.compactMap { Int32($0).map(Int.init) }
    guard numbers.count >= 6, numbers[0] >= 1970, numbers[0] < 10_000 else { return nil }
    var time = CivilTime(year: numbers[0], month: numbers[1], day: numbers[2])
    (time.hour, time.minute, time.second) = (numbers[3], numbers[4], numbers[5])
    return time.secondsSince1970
  }
}
