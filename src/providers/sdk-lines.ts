/** The lines that point an SDK at a gateway: what a newcomer pastes. They name the SDKs, which bear a provider's name. */

/**
 * Lines for the Python and JavaScript SDKs and for programs that read the environment. `baseUrl` includes `/v1`; `apiKey`
 * and `model` are put in as they are.
 */
export function sdkLines(baseUrl: string, apiKey: string, model: string): readonly { readonly title: string; readonly lines: readonly string[] }[] {
  const [url, key, name] = [JSON.stringify(baseUrl), JSON.stringify(apiKey), JSON.stringify(model)];
  return [
    {
      title: "Python",
      lines: [
        "from openai import OpenAI",
        `client = OpenAI(base_url=${url}, api_key=${key})`,
        `client.chat.completions.create(model=${name}, messages=[{"role": "user", "content": "Hello"}])`,
      ],
    },
    {
      title: "JavaScript",
      lines: [
        'import OpenAI from "openai";',
        `const client = new OpenAI({ baseURL: ${url}, apiKey: ${key} });`,
        `await client.chat.completions.create({ model: ${name}, messages: [{ role: "user", content: "Hello" }] });`,
      ],
    },
    { title: "Environment", lines: [`export OPENAI_BASE_URL=${url} OPENAI_API_KEY=${key}`] },
  ];
}
