import NetKit
public import PipelineKit
import ShardKit

extension S3Endpoint.Addressing: OptionChoice {}

/// The location of an S3 service and the credentials to use. Keys are not options, so that they are never stored.
public struct S3Options: StageOptions {
  @Option(
    "The URL of the service. Default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or the profile's, otherwise Amazon S3.")
  var endpoint = ""
  @Option(
    "The region that requests are signed for. Default: AWS_REGION, AWS_DEFAULT_REGION or the profile's, otherwise "
      + "us-east-1.", affectsOutput: false)
  var region = ""
  @Option(
    "A profile in ~/.aws/credentials and ~/.aws/config, instead of the environment's keys or AWS_PROFILE.",
    affectsOutput: false)
  var profile = ""
  @Option(
    "Whether the bucket's name is in the path or in the host name. automatic: in the host name for Amazon only.",
    affectsOutput: false)
  var addressing = S3Endpoint.Addressing.automatic
  @Option("Sends unsigned requests, for public buckets.", affectsOutput: false) var anonymous = false

  public init() {}
}

extension S3Options {
  func access(paysForRequests: Bool = false) throws(NetError) -> S3Access {
    let named = profile.isEmpty ? nil : profile
    let endpoint = try S3Endpoint(
      endpoint: endpoint, region: region, addressing: addressing, profile: named, environment: environmentValue
    )
    let chain = anonymous ? nil : CredentialChain(profile: named, environment: environmentValue)
    return S3Access(endpoint, chain, paysForRequests: paysForRequests)
  }

  /// The service's URL for fingerprints; the environment may determine it.
  func service() throws -> String {
    do throws(NetError) { return try access().endpoint.shown } catch {
      throw StageError(.options, "endpoint", error.message, hint: error.hint)
    }
  }

}

extension S3Location {
  /// Parses an option's value.
  static func stated(_ text: String, option: String) throws(StageError) -> S3Location {
    do throws(NetError) { return try S3Location(text) } catch {
      throw StageError(.options, option, error.message, hint: error.hint)
    }
  }
}
