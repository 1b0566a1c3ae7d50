public import PipelineKit
import ShardKit
import TextKit

/// Finds personal data in documents and masks it, tags it, or drops the document.
///
/// What has the form of personal data is found, whoever it belongs to: the telephone number of a shop as that of a
/// person. Nothing of a masked text is written anywhere: not to the metadata, whose strings are masked too, nor to drop
/// records, which have a kind and a count. Ids are not changed, since traces need them.
public struct RedactPII: PassingStage, SinglePhaseStage {
  public static let name = "redact.pii"
  public static let revision = 1
  public static let summary =
    "Masks or tags personal data: mail, phone, IP and postal addresses, My Numbers, cards, bank accounts."
  static let documents = Input<Documents>("documents", "The documents to search.")
  static let redacted = Output<Documents>("documents", "The documents with tokens in place of personal data.")
  public static let inputs = [documents.port]
  public static let outputs = [redacted.port]
  public static var passed: Input<Documents> { documents }

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    guard PersonalKind.allCases.allSatisfy({ options[$0] == .keep }) else { return }
    throw StageError(
      .options, "mail", "every kind is 'keep', so nothing would be looked for",
      hint: "Set at least one kind to mask, tag or drop.")
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let lists = try context.files(options.exceptionLists)
    return context.files(Self.documents).enumerated().map { i, file in
      TaskPlan(key: TaskPlan.padded(i), inputs: [.main: [file], "exceptions": lists])
    }
  }

  public func pass(_ workspace: Workspace) throws -> DocumentPass {
    var exemptions = options.exemptions
    for value in try options.exceptions + PhraseLists.read(workspace.files("exceptions")) { exemptions.keep(value) }
    var redaction = DocumentRedaction(options, exemptions)
    let output = try workspace.documents(to: Self.redacted)
    return DocumentPass { document in
      if let reason = redaction.redact(&document) {
        try workspace.drop(document, reason)
      } else {
        try output.write(document)
      }
      workspace.warn(
        "personal-id", times: redaction.isInID(document) ? 1 : 0,
        "ids contain personal data, which is not masked in ids; give the documents other ids where they are read")
    } end: {
      for (name, value) in redaction.metrics { workspace.metric(name, Double(value)) }
    }
  }
}

extension RedactPII {
  public struct Options: StageOptions {
    @Option(
      "Mail addresses, of either width, with [at] or (at) too. mask: replaced by a token (<MAIL>). tag: kept, with kind "
        + "and place in 'metadata.pii'. drop: the document is dropped. keep: not looked for.")
    var mail = Mode.mask
    @Option("Japanese telephone numbers, others with a country code. Token: <PHONE>.") var phone = Mode.mask
    @Option("IPv4 and IPv6 addresses. Token: <IP>.") var ip = Mode.mask
    @Option(
      "Japanese individual numbers with a right check digit: behind a word for them, or in three groups of four without "
        + "a word for other numbers (伝票, 注文, …). Token: <MY_NUMBER>.")
    var myNumber = Mode.mask
    @Option("Payment cards: known prefixes and Luhn's check digit. Token: <CARD>.") var card = Mode.mask
    @Option(
      "Japanese bank accounts: seven digits behind 普通, 当座 or 口座番号 near a bank's word; Japan Post Bank's 記号 and 番号. "
        + "Token: <BANK_ACCOUNT>.")
    var bankAccount = Mode.mask
    @Option(
      "Japanese postal addresses: 〒 and a code, a prefecture or city with a block, and the building. Token: <ADDRESS>.")
    var address = Mode.mask
    @Option("The same for every string and every long number of the metadata, and for the source.") var metadata = true
    @Option("example.com, example.jp and their like, and .test, .example, .invalid and .local are nobody's.")
    var exampleDomains = true
    @Option("info@, support@, noreply@ and other addresses of a role are kept.") var keepRoleAddresses = false
    @Option("Numbers of services are kept: 0120, 0800, 0570, 0990, +800. Emergency numbers have no form of a number.")
    var keepServiceNumbers = true
    @Option(
      "IP addresses for private use, documentation, loopback, link-local and multicast, and public resolvers (8.8.8.8), "
        + "are kept.")
    var keepSpecialNetworks = true
    @Option("The card numbers that payment services publish for tests are kept.") var keepTestCards = true
    @Option("Mail addresses in these domains and their subdomains are kept.") var keepMailDomains: [String] = []
    @Option("Values that are kept, in any width and with any separators: the number of a publisher, for example.")
    var exceptions: [String] = []
    @Option("Files of more \"exceptions\", one per line, UTF-8.", holdsRecords: false) var exceptionLists = InputFiles()
    @Option("Places listed in a document's metadata; the counts are always complete.", in: 0...1_000_000)
    var maximumSpans = 1000

    public init() {}

    enum Mode: String, OptionChoice { case keep, mask, drop, tag }

    subscript(kind: PersonalKind) -> Mode {
      switch kind {
      case .mail: mail
      case .phone: phone
      case .ip: ip
      case .myNumber: myNumber
      case .card: card
      case .bankAccount: bankAccount
      case .address: address
      }
    }

    var exemptions: PersonalExemptions {
      var out = PersonalExemptions()
      out.exampleDomains = exampleDomains
      out.roleAddresses = keepRoleAddresses
      out.serviceNumbers = keepServiceNumbers
      out.specialNetworks = keepSpecialNetworks
      out.testCards = keepTestCards
      out.mailDomains = Set(keepMailDomains.map { $0.lowercased() })
      return out
    }
  }
}
