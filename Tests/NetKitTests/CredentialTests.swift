import ShardKit
import TestKit
import Testing

@testable import NetKit

@Suite struct CredentialTests {
  private let folder = temporaryDirectory()

  private func keys(_ variables: [String: String], profile: String? = nil) throws -> S3Credentials {
    // Without it a machine that has a role would give its keys.
    let all = ["AWS_EC2_METADATA_DISABLED": "true", "HOME": folder].merging(variables) { $1 }
    return try CredentialChain(profile: profile, environment: reading(all)).credentials(isCancelled: { false })
  }

  private func sentence(_ variables: [String: String], profile: String? = nil) -> String {
    do { _ = try keys(variables, profile: profile) } catch { return "\(error)".replacing(folder, with: "HOME") }
    return "no error"
  }

  private func writeProfiles() throws {
    try FileSystem.makeDirectory(folder + "/.aws")
    try FileSystem.write(
      Array(
        """
        # keys
        [default]
        aws_access_key_id = AKID1
        aws_secret_access_key = a/b+c=
        [ corpus ]
        aws_access_key_id=AKID2
        aws_secret_access_key=two
        aws_session_token = token

        """.utf8), to: folder + "/.aws/credentials")
    try FileSystem.write(
      Array(
        """
        [default]
        region = eu-west-1
        [profile corpus]
        region = ap-northeast-1
        endpoint_url = https://store.example.org
        s3 =
          max_concurrent_requests = 20
          region = nested
        [profile role]
        role_arn = arn:aws:iam::1:role/x
        source_profile = default

        """.utf8), to: folder + "/.aws/config")
  }

  @Test func environmentThenProfiles() throws {
    defer { try? FileSystem.removeTree(folder) }
    try writeProfiles()
    let set = ["AWS_ACCESS_KEY_ID": "AKID0", "AWS_SECRET_ACCESS_KEY": "zero", "AWS_SESSION_TOKEN": "t"]
    #expect(try keys(set) == S3Credentials(accessKey: "AKID0", secretKey: "zero", sessionToken: "t"))
    #expect(try keys([:]) == S3Credentials(accessKey: "AKID1", secretKey: "a/b+c="))
    let corpus = S3Credentials(accessKey: "AKID2", secretKey: "two", sessionToken: "token")
    #expect(try keys(["AWS_PROFILE": "corpus"]) == corpus)
    #expect(try keys(set, profile: "corpus") == corpus, "a profile that the options name counts first")
    try FileSystem.write(Array("[default]\naws_access_key_id=A\naws_secret_access_key=B\n".utf8), to: folder + "/own")
    #expect(try keys(["AWS_SHARED_CREDENTIALS_FILE": folder + "/own"]).accessKey == "A")
    #expect(try keys(["AWS_SHARED_CREDENTIALS_FILE": "~/own"]).accessKey == "A")

    let endpoint = try S3Endpoint(environment: reading(["HOME": folder, "AWS_PROFILE": "corpus"]))
    #expect(endpoint.region == "ap-northeast-1" && endpoint.shown == "https://store.example.org/")
    let named = try S3Endpoint(
      environment: reading([
        "HOME": folder, "AWS_REGION": "us-west-2", "AWS_ENDPOINT_URL": "http://one",
        "AWS_ENDPOINT_URL_S3": "http://two",
      ]))
    #expect(named.region == "us-west-2" && named.shown == "http://two/")
  }

  @Test func sentences() throws {
    defer { try? FileSystem.removeTree(folder) }
    #expect(
      sentence([:])
        == "S3: no keys were found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE with a "
        + "profile in HOME/.aws/credentials, or \"anonymous\" for a public bucket.")
    #expect(
      sentence(["AWS_ACCESS_KEY_ID": "A"])
        == "environment: AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not. Set both, or neither.")
    try writeProfiles()
    #expect(
      sentence(["AWS_PROFILE": "other"])
        == "HOME/.aws/credentials: there is no profile 'other'. Check AWS_PROFILE or the option \"profile\".")
    #expect(sentence([:], profile: "role").contains("gets its keys by role_arn, which is not supported"))
    #expect(
      sentence([
        "HOME": "/nowhere", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.org/keys",
      ]).contains("keys would be sent over unencrypted http by another machine"))
  }

  private func role(_ access: String, _ expires: String) -> JSONValue {
    let answer: JSONValue = [
      "Code": "Success", "AccessKeyId": .string(access), "SecretAccessKey": "secret", "Token": "token",
      "Expiration": .string(expires),
    ]
    return ["body": .string(answer.text())]
  }

  @Test(.needs(LocalServer.isUsable, "needs Python"))
  func theMachinesRole() throws {
    defer { try? FileSystem.removeTree(folder) }
    let server = try LocalServer()
    let path = "/latest/meta-data/iam/security-credentials/"
    try server.script("/latest/api/token", ["body": "T0KEN"])
    try server.script(path, ["body": "corpus-role\n"])
    // An hour, then an hour more, then the service is away for good.
    try server.script(
      path + "corpus-role", role("ASIA1", "2023-11-14T23:13:20Z"), role("ASIA2", "2023-11-15T00:13:20Z"),
      ["status": 500])
    let clock = ManualClock(wallSeconds: 1_700_000_000)
    let chain = CredentialChain(
      environment: reading(["HOME": folder, "AWS_EC2_METADATA_SERVICE_ENDPOINT": server.origin + "/"]), clock: clock)
    func access() throws -> String { try chain.credentials(isCancelled: { false }).accessKey }
    #expect(try access() == "ASIA1" && access() == "ASIA1")
    let questions = try server.questions()
    #expect(questions.map(\.method) == ["PUT", "GET", "GET"])
    #expect(questions[0].headers["x-aws-ec2-metadata-token-ttl-seconds"]?.string == "300")
    #expect(questions[2].headers["x-aws-ec2-metadata-token"]?.string == "T0KEN")
    clock.advance(seconds: 3600 - 299)
    #expect(try access() == "ASIA2", "some minutes before they expire there are others")
    clock.advance(seconds: 3700)
    #expect(try access() == "ASIA2", "good to the end where the service is away")
    clock.advance(seconds: 200)
    #expect(throws: NetError.self) { try access() }
  }

  @Test(.needs(LocalServer.isUsable, "needs Python"))
  func aContainersKeys() throws {
    defer { try? FileSystem.removeTree(folder) }
    let server = try LocalServer()
    try server.script("/keys", role("ASIA3", "2099-01-01T00:00:00Z"))
    try FileSystem.write(Array("f1le-token\n".utf8), to: folder + "/token")
    let found = try keys([
      "AWS_CONTAINER_CREDENTIALS_FULL_URI": server.origin + "/keys",
      "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": folder + "/token",
    ])
    #expect(found.accessKey == "ASIA3" && found.expires == 4_070_908_800)
    #expect(try server.questions()[0].headers["authorization"]?.string == "f1le-token")
  }

  /// A role's keys sign, and are exchanged once when the service calls them expired.
  @Test(.needs(ObjectStore.isUsable, "needs Python with moto and boto3"))
  func expiredKeysAreExchanged() throws {
    defer { try? FileSystem.removeTree(folder) }
    let (server, bench) = (try LocalServer(), try S3Workbench())
    let answer: JSONValue = [
      "AccessKeyId": .string(ObjectStore.roleAccessKey), "SecretAccessKey": .string(ObjectStore.roleSecretKey),
      "Token": .string(ObjectStore.roleToken), "Expiration": "2099-01-01T00:00:00Z",
    ]
    try server.script("/keys", ["body": .string(answer.text())])
    bench.variables = ["HOME": folder, "AWS_CONTAINER_CREDENTIALS_FULL_URI": server.origin + "/keys"]
    try bench.store.fault("PUT /corpus/a", ["status": 400, "code": "ExpiredToken"])
    try bench.put("a", [1])
    #expect(try bench.store.requests().map(\.status) == [400, 200])
    #expect(try server.questions().count == 2)
  }
}
