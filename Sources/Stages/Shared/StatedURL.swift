import NetKit
import PipelineKit

/// An address that a document or a list names. One that holds a password, a token or a signature is refused, since what
/// is named is stored with the run.
/// - Parameters:
///   - place: the option or the line, for messages.
///   - hint: how to give the secret instead.
func statedURL(_ text: String, _ place: String, hint: String? = nil) throws -> WebURL {
  let url: WebURL
  do throws(NetError) { url = try WebURL(text) } catch {
    throw StageError(
      .options, place, "'\(shownAddress(text))' is no address", hint: "Write it as https://host/path.")
  }
  try refuseSecret(url, place, hint: hint)
  return url
}

func refuseSecret(_ url: WebURL, _ place: String, hint: String? = nil) throws {
  guard url.holdsSecret else { return }
  throw StageError(
    .options, place, "\(url) holds a password, a token or a signature, which would be stored with the run",
    hint: hint ?? "Name an address that needs none.")
}

/// An address for messages; of what is none, which may hold a password anywhere, no more than its beginning.
func shownAddress(_ text: String) -> String {
  (try? WebURL(text))?.shown ?? String(text.prefix { $0 != "?" && $0 != "@" }.prefix(200))
}
