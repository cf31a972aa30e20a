/* A shared library that is no plugin. */
int settle_plug(void);

int settle_plug(void)
{
	return 1;
}
