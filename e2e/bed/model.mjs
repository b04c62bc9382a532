// A fake of Anthropic's Messages API, which streams what `says` returns for the body of a request.
import { createServer } from 'node:http';

export async function startModel(says) {
  const asked = [];
  const server = createServer(async (request, response) => {
    const body = JSON.parse(Buffer.concat(await Array.fromAsync(request)).toString('utf8'));
    asked.push({ path: request.url, headers: request.headers, body });
    const text = says(body);
    if (typeof text === 'object') return response.writeHead(text.status, { 'content-type': 'application/json' }).end(JSON.stringify(text.body));
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const send = (event) => response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    send({ type: 'message_start', message: { model: body.model, content: [], usage: { input_tokens: 1000, output_tokens: 1 } } });
    send({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } });
    for (const word of text.split(/(?<= )/)) {
      send({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: word } });
      await new Promise((done) => setTimeout(done, 20));
    }
    send({ type: 'content_block_stop', index: 0 });
    send({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 10 } });
    send({ type: 'message_stop' });
    response.end();
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    asked,
    base: `http://127.0.0.1:${server.address().port}`,
    stop: () => new Promise((done) => { server.close(done); server.closeAllConnections(); }),
  };
}
