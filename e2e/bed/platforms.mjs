// The platforms' requests, signatures and API responses. All secrets are invented.
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';

const JSON_TYPE = { 'content-type': 'application/json' };
const keys = generateKeyPairSync('ed25519');
const kept = (name, type) => ({ name, type, content: readFileSync(new URL(`../../fakes/files/${name}`, import.meta.url)) });
/** The files that every platform keeps: a photo, a voice recording and a document. */
export const files = [kept('photo.jpg', 'image/jpeg'), kept('voice.ogg', 'audio/ogg'), kept('note.pdf', 'application/pdf')];
/** The content of the file that this address ends with. */
const contentAt = (path) => files.find(({ name }) => path.split('?')[0].endsWith(`/${name}`))?.content;
/** The fields of a `multipart/form-data` body. */
const formOf = ({ bytes, headers }) => new Response(bytes, { headers: { 'content-type': headers['content-type'] } }).formData();
const sent = async (chat, file) => ({ chat, name: file.name, content: Buffer.from(await file.arrayBuffer()) });

export const telegram = {
  api: 'tg',
  /** Updates that are handed over to a bot that asks for them. */
  waiting: [],
  path: '/telegram/main', secret: 'tg_S3cret-Token_0123456789', token: '5550001:TEST', user: 700100200,
  signed: (body, secret = telegram.secret) => ({ body, headers: { ...JSON_TYPE, 'x-telegram-bot-api-secret-token': secret } }),
  message: (id, text, message_id = 41) => JSON.stringify({
    update_id: id,
    message: { message_id, date: Math.floor(Date.now() / 1000), text, from: person, chat: { id: person.id, first_name: 'Ines', type: 'private' } },
  }),
  /** A message with these files, as every platform below has it. */
  withFiles(id, text, given) {
    const update = JSON.parse(telegram.message(id, ''));
    delete update.message.text;
    const about = ({ name, type }) => ({ file_id: name, file_name: name, mime_type: type });
    const [photo, voice, document] = given.map(about);
    Object.assign(update.message, { caption: text, photo: [{ ...photo, width: 24, height: 16 }], voice, document });
    return JSON.stringify(update);
  },
  /** The files that these requests brought to chats, as every platform below has them. */
  uploads: (requests) => Promise.all(requests.filter(({ path }) => /\/sendDocument$/.test(path)).map(async (request) => {
    const form = await formOf(request);
    return sent(form.get('chat_id'), form.get('document'));
  })),
  answer(request, number) {
    if (/\/answerCallbackQuery$/.test(request.path)) return { ok: true, result: true };
    if (/\/getMe$/.test(request.path)) return { ok: true, result: { id: 5550001, is_bot: true, first_name: 'Desk', username: 'desk_bot', can_join_groups: true, can_read_all_group_messages: false } };
    if (/\/getWebhookInfo$/.test(request.path)) return { ok: true, result: { url: '', pending_update_count: 0 } };
    if (/\/getUpdates$/.test(request.path)) {
      const { offset = 0 } = request.body;
      return { ok: true, result: telegram.waiting.filter(({ update_id }) => update_id >= offset) };
    }
    if (/\/getFile$/.test(request.path)) return { ok: true, result: { file_path: `documents/${request.body.file_id}` } };
    if (/\/file\//.test(request.path)) return contentAt(request.path);
    const { chat_id: chat, message_id: message = number } = request.body ?? {};
    return { ok: true, result: { message_id: message, date: 1, chat: { id: chat, type: 'private' } } };
  },
  press: (id, data, message_id) => JSON.stringify({
    update_id: id,
    callback_query: { id: `30071002${id}`, from: person, chat_instance: '-81726354', data, message: { message_id, date: 1790000003, chat: { id: person.id, type: 'private' } } },
  }),
};
const person = { id: telegram.user, is_bot: false, first_name: 'Ines' };

export const slack = {
  api: 'slack',
  path: '/slack/T0AAAA111', secret: '8f742231b10e8888abcd99yyyzzz85a5', token: 'xoxb-test', user: 'U0HUMAN01', channel: 'C0CHAN001', thread: '1790000000.000200',
  /** Slack's rule: the hex HMAC-SHA256 of `v0:<seconds>:<raw body>`. */
  signed(body, { secret = slack.secret, at = Math.floor(Date.now() / 1000), type = 'application/json' } = {}) {
    const signature = `v0=${createHmac('sha256', secret).update(`v0:${at}:${body}`).digest('hex')}`;
    return { body, headers: { 'content-type': type, 'x-slack-request-timestamp': `${at}`, 'x-slack-signature': signature } };
  },
  answer({ method, path, body, bytes, headers }, number) {
    if (method === 'GET') return headers.authorization === `Bearer ${slack.token}` ? contentAt(path) : Buffer.from('<h1>Sign in</h1>');
    if (/\/files.getUploadURLExternal$/.test(path)) return { ok: true, file_id: `F${number}`, upload_url: `http://${headers.host}/ours/slack/upload/F${number}` };
    if (/\/upload\//.test(path)) return Buffer.from(`OK - ${bytes.length}`);
    if (/\/files.completeUploadExternal$/.test(path)) return { ok: true, files: JSON.parse(body.files) };
    return { ok: true, channel: body?.channel, ts: body?.ts ?? `1790000000.${String(number).padStart(6, '0')}` };
  },
  withFiles(id, text, given, base) {
    const body = JSON.parse(slack.mention(id, text));
    const about = ({ name, type, content }) => ({ id: name, name, mimetype: type, size: content.length, user: slack.user, url_private_download: `${base}/ours/slack/files-pri/T0AAAA111-F1/download/${name}` });
    body.event.files = given.map(about);
    return JSON.stringify(body);
  },
  /** A file is announced, its content comes, and then it is put into a chat. */
  uploads(requests) {
    const put = requests.filter(({ path }) => /\/files.completeUploadExternal$/.test(path));
    return put.flatMap(({ body: { files, channel_id, thread_ts } }) => JSON.parse(files).map(({ id }) => {
      const announced = requests.find(({ answer }) => answer?.file_id === id);
      const { bytes } = requests.find(({ path }) => path.endsWith(`/upload/${id}`));
      if (Number(announced.body.length) !== bytes.length) throw new Error(`${announced.body.length} bytes were announced, ${bytes.length} came`);
      return { chat: `${channel_id}/${thread_ts}`, name: announced.body.filename, content: bytes };
    }));
  },
  mention: (id, text) => JSON.stringify({
    type: 'event_callback', team_id: 'T0AAAA111', api_app_id: 'A0APP0001', event_id: id, event_time: 1790000001,
    authorizations: [{ team_id: 'T0AAAA111', user_id: 'U0BOT0001', is_bot: true }],
    event: { type: 'app_mention', user: slack.user, text: `<@U0BOT0001> ${text}`, ts: `1790000001.${id.slice(-6)}`, thread_ts: slack.thread, channel: slack.channel },
  }),
  press: (trigger_id, value, message_ts) => form({
    payload: JSON.stringify({
      type: 'block_actions', trigger_id, team: { id: 'T0AAAA111' }, user: { id: slack.user, team_id: 'T0AAAA111' }, channel: { id: slack.channel },
      container: { type: 'message', message_ts, channel_id: slack.channel, thread_ts: slack.thread },
      actions: [{ type: 'button', action_id: 'approve', value, action_ts: '1790000002.1' }],
    }),
  }),
  command: (trigger_id, text) => form({ command: '/quintet', text, trigger_id, team_id: 'T0AAAA111', channel_id: 'D0IM00001', user_id: slack.user }),
};
const form = (fields) => new URLSearchParams(fields).toString();

export const discord = {
  api: 'dc',
  path: '/discord/820000000000000001', application: '910000000000000001', token: 'bot-token', user: '810000000000000001', channel: '830000000000000001',
  publicKey: keys.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex'),
  /** Discord's rule: Ed25519 over the time and the raw body. */
  signed(body, { key = keys.privateKey, at = Math.floor(Date.now() / 1000) } = {}) {
    const signature = sign(null, Buffer.from(`${at}${body}`), key).toString('hex');
    return { body, headers: { ...JSON_TYPE, 'x-signature-timestamp': `${at}`, 'x-signature-ed25519': signature } };
  },
  answer: ({ path, headers }, number) => {
    // The address of a file is signed; the bot's token is for the API alone.
    if (/\/attachments\//.test(path)) return headers.authorization ? Buffer.from('') : contentAt(path);
    return { id: `95000000000000${number}`, channel_id: '830000000000000001' };
  },
  withFiles(id, text, given, base) {
    const body = JSON.parse(discord.command(id, text));
    const about = ({ name, type, content }, index) => [index, { id: `${index}`, filename: name, content_type: type, size: content.length, url: `${base}/ours/dc/attachments/1/${index}/${name}?ex=6&is=5&hm=abc` }];
    body.data.resolved = { attachments: Object.fromEntries(given.map(about)) };
    body.data.options.push(...given.map((_, index) => ({ type: 11, name: `file${index}`, value: `${index}` })));
    return JSON.stringify(body);
  },
  uploads: (requests) => Promise.all(requests.filter(({ type }) => type === 'multipart/form-data').map(async (request) => {
    const form = await formOf(request);
    return sent(request.path.replace('/v10', ''), form.get('files[0]'));
  })),
  interaction: (type, id, data) => JSON.stringify({
    type, id, token: `tok-${id}`, application_id: discord.application, version: 1, data, guild_id: '820000000000000009', channel_id: discord.channel,
    member: { user: { id: discord.user, username: 'ines' }, permissions: '0' },
  }),
  command: (id, text) => discord.interaction(2, id, { id: '1', type: 1, name: 'ask', options: [{ type: 3, name: 'text', value: text }] }),
  press: (id, custom_id) => discord.interaction(3, id, { component_type: 2, custom_id }),
};

/** A homeserver: one room with the owner alone. */
export const matrix = {
  api: 'mx',
  answer: (_, number) => ({ event_id: `$${number}`, room_id: '!ops:example.org', joined: { '@desk:example.org': {}, '@ines:example.org': {} } }),
};

/** The platform whose API has this first path segment. */
export const platformOf = (api) => [telegram, slack, discord, matrix].find((platform) => platform.api === api);

/** A configuration with the recorder as all three platforms and one paid agent. */
export const config = (recorder) => `
[endpoints.telegram.main]
secret_token = "${telegram.secret}"
bot_token = "${telegram.token}"
api_base = "${recorder}/ours/${telegram.api}"
approvers = ["${telegram.user}"]

[endpoints.slack.T0AAAA111]
signing_secret = "${slack.secret}"
bot_token = "${slack.token}"
api_base = "${recorder}/ours/${slack.api}"
approvers = ["${slack.user}"]

[endpoints.discord.820000000000000001]
public_key = "${discord.publicKey}"
application_id = "${discord.application}"
bot_token = "${discord.token}"
api_base = "${recorder}/ours/${discord.api}/v10"
approvers = ["${discord.user}"]

[budget]
daily = 500

[agents.security]
runner = "command"
command = ${JSON.stringify([process.execPath, new URL('agent.mjs', import.meta.url).pathname])}
readable = ${JSON.stringify([new URL('.', import.meta.url).pathname.replace(/\/$/, '')])}
estimated_cost = 25
`;
