import NetKit
public import PipelineKit

extension HubRepository.Kind: OptionChoice {}

/// The options of a stage that speaks with a Hub about one repository.
///
/// The environment's HF_ENDPOINT is not heeded: where data and a token go is what the pipeline document says, with
/// `--set` where that is to change.
public struct HubOptions: StageOptions {
  @Option("The repository, as OWNER/NAME.", required: true) var repository = ""
  @Option("The Hub's address, or a mirror's; the document alone says it, HF_ENDPOINT is not heeded.")
  var endpoint = HubRepository.publicEndpoint
  @Option(
    "The name of the environment variable that holds the token; it is sent to the Hub alone and never stored.",
    affectsOutput: false)
  var tokenVariable = "HF_TOKEN"

  public init() {}
}

extension HubOptions {
  func place(_ kind: HubRepository.Kind) throws -> HubRepository {
    do throws(NetError) { return try HubRepository(repository, kind: kind, endpoint: endpoint) } catch {
      throw StageError(.options, error.subject.isEmpty ? "repository" : "endpoint", error.message, hint: error.hint)
    }
  }

  func validate(_ kind: HubRepository.Kind, _ network: NetworkOptions) throws {
    let hub = try place(kind)
    try validateTokenVariable(tokenVariable)
    guard hub.endpoint.hasPrefix("https://") || network.allowPrivateAddresses else {
      throw StageError(
        .options, "endpoint", "\(hub.endpoint) is plain http, over which anyone could read the token",
        hint: "Write https, or set \"allowPrivateAddresses\" if the server is one of your own network.")
    }
  }
}

/// The token of a variable; nil where the environment has none.
func hubToken(_ variable: String) -> HubToken? {
  environmentValue(variable).map { HubToken(variable: variable, value: $0) }
}

/// Whoever writes the token itself here would store it with the run. The value is not repeated.
func validateTokenVariable(_ name: String) throws {
  let letters = name.utf8
  let isName =
    letters.allSatisfy { $0 == 0x5F || $0 >= 48 && $0 <= 57 || $0 >= 65 && $0 <= 90 || $0 >= 97 && $0 <= 122 }
    && !(letters.first.map { $0 >= 48 && $0 <= 57 } ?? false)
  guard isName, !name.hasPrefix("hf_"), !name.hasPrefix("glpat") else {
    throw StageError(
      .options, "tokenVariable", "it should name a variable of the environment, not be the token itself",
      hint: "Put the token into HF_TOKEN and write \"HF_TOKEN\". A token that stood in a document should be revoked.")
  }
}
